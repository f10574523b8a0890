package admin

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// contract is the OpenAPI document as a caller reads it. Every answer in these
// tests is compared with it; it knows nothing of the library that wrote it.
type contract struct {
	root map[string]any

	mu   sync.Mutex
	seen map[string]bool // operation ids that were answered with success
}

func readContract(t *testing.T, document []byte) *contract {
	t.Helper()
	c := &contract{seen: map[string]bool{}}
	if err := json.Unmarshal(document, &c.root); err != nil {
		t.Fatal(err)
	}
	return c
}

// operations gives every operation by its method and path.
func (c *contract) operations() map[string]map[string]any {
	out := map[string]map[string]any{}
	for path, item := range c.root["paths"].(map[string]any) {
		for method, op := range item.(map[string]any) {
			out[strings.ToUpper(method)+" "+path] = op.(map[string]any)
		}
	}
	return out
}

// find gives the operation of a request; nil if the document has none.
func (c *contract) find(method, path string) map[string]any {
	for key, op := range c.operations() {
		m, template, _ := strings.Cut(key, " ")
		if m == method && fitsTemplate(template, path) {
			return op
		}
	}
	return nil
}

func fitsTemplate(template, path string) bool {
	t, p := strings.Split(template, "/"), strings.Split(path, "/")
	if len(t) != len(p) {
		return false
	}
	for i := range t {
		if t[i] != p[i] && !strings.HasPrefix(t[i], "{") {
			return false
		}
	}
	return true
}

// check compares an answer with the document: the status is described, the content
// type is the described one, the body fits the schema.
func (c *contract) check(t *testing.T, method, path string, resp *http.Response, body []byte) {
	t.Helper()
	op := c.find(method, path)
	if op == nil {
		return
	}
	if resp.StatusCode < 300 {
		c.mu.Lock()
		c.seen[op["operationId"].(string)] = true
		c.mu.Unlock()
	}
	responses := op["responses"].(map[string]any)
	described, ok := responses[strconv.Itoa(resp.StatusCode)].(map[string]any)
	if !ok && resp.StatusCode >= 400 {
		described, ok = responses["default"].(map[string]any)
	}
	if !ok {
		t.Errorf("%s %s: status %d is not in the document", method, path, resp.StatusCode)
		return
	}
	content, _ := described["content"].(map[string]any)
	if len(content) == 0 {
		if len(body) > 0 {
			t.Errorf("%s %s: a body that is not in the document: %s", method, path, body)
		}
		return
	}
	media, ok := content[resp.Header.Get("Content-Type")].(map[string]any)
	if !ok {
		t.Errorf("%s %s: content type %q is not in the document", method, path, resp.Header.Get("Content-Type"))
		return
	}
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Errorf("%s %s: %v", method, path, err)
		return
	}
	for _, problem := range c.validate(media["schema"].(map[string]any), v, "body") {
		t.Errorf("%s %s: %s", method, path, problem)
	}
}

// validate checks a value against a schema (JSON Schema 2020-12, the part of it
// that the document uses). A keyword that it does not know is a problem as well, so
// that nothing is waved through.
func (c *contract) validate(schema map[string]any, v any, at string) (problems []string) {
	for _, keyword := range slices.Sorted(maps.Keys(schema)) {
		problems = append(problems, c.keyword(keyword, schema, v, at)...)
	}
	return problems
}

func (c *contract) keyword(keyword string, schema map[string]any, v any, at string) []string {
	arg := schema[keyword]
	wrong := func(format string, args ...any) []string { return []string{at + ": " + fmt.Sprintf(format, args...)} }
	switch keyword {
	case "description", "title", "examples", "default", "writeOnly", "readOnly":
		return nil
	case "$ref":
		name := strings.TrimPrefix(arg.(string), "#/components/schemas/")
		target, ok := c.root["components"].(map[string]any)["schemas"].(map[string]any)[name].(map[string]any)
		if !ok {
			return wrong("there is no schema %s", name)
		}
		return c.validate(target, v, at)
	case "type":
		if !hasType(arg, v) {
			return wrong("%v is no %v", v, arg)
		}
	case "enum":
		if !slices.Contains(arg.([]any), v) {
			return wrong("%v is none of %v", v, arg)
		}
	case "format":
		if problem := format(arg.(string), v); problem != "" {
			return wrong("%s", problem)
		}
	case "minimum":
		if n, ok := v.(float64); ok && n < arg.(float64) {
			return wrong("%v is less than %v", v, arg)
		}
	case "maximum":
		if n, ok := v.(float64); ok && n > arg.(float64) {
			return wrong("%v is more than %v", v, arg)
		}
	case "minLength", "maxLength", "maxItems", "pattern":
		return nil // these bound what callers send; answers show records that are older than a rule
	case "required", "properties", "additionalProperties":
		return c.object(keyword, schema, v, at)
	case "items":
		var problems []string
		list, _ := v.([]any)
		for i, item := range list {
			problems = append(problems, c.validate(arg.(map[string]any), item, fmt.Sprintf("%s[%d]", at, i))...)
		}
		return problems
	default:
		return wrong("this test does not know the keyword %q", keyword)
	}
	return nil
}

func (c *contract) object(keyword string, schema map[string]any, v any, at string) (problems []string) {
	object, ok := v.(map[string]any)
	if !ok {
		return nil // "type" has said so
	}
	properties, _ := schema["properties"].(map[string]any)
	switch keyword {
	case "required":
		for _, name := range schema["required"].([]any) {
			if _, ok := object[name.(string)]; !ok {
				problems = append(problems, fmt.Sprintf("%s: %s is missing", at, name))
			}
		}
	case "properties":
		for name, value := range object {
			if property, ok := properties[name].(map[string]any); ok {
				problems = append(problems, c.validate(property, value, at+"."+name)...)
			}
		}
	case "additionalProperties":
		for name := range object {
			if _, ok := properties[name]; !ok && schema["additionalProperties"] == false {
				problems = append(problems, fmt.Sprintf("%s: %s is not in the schema", at, name))
			}
		}
	}
	return problems
}

func hasType(want, v any) bool {
	if list, ok := want.([]any); ok {
		return slices.ContainsFunc(list, func(w any) bool { return hasType(w, v) })
	}
	switch v := v.(type) {
	case nil:
		return want == "null"
	case string:
		return want == "string"
	case bool:
		return want == "boolean"
	case float64:
		return want == "number" || want == "integer" && v == float64(int64(v))
	case []any:
		return want == "array"
	case map[string]any:
		return want == "object"
	}
	return false
}

func format(name string, v any) string {
	switch name {
	case "date-time":
		if _, err := time.Parse(time.RFC3339Nano, fmt.Sprint(v)); err != nil {
			return err.Error()
		}
	case "int32", "int64", "uint64", "uri":
	default:
		return "this test does not know the format " + name
	}
	return ""
}

// The validator must find what is wrong, else the contract test proves nothing.
func TestContractFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	c := readContract(t, []byte(`{"components": {"schemas": {"T": {"type": "object", "required": ["a"], "additionalProperties": false,
		"properties": {"a": {"type": "integer", "minimum": 1, "maximum": 5}, "b": {"type": "array", "items": {"enum": ["x"]}},
		"c": {"type": "string", "format": "date-time"}, "d": {"surprise": true}}}}}}`))
	for body, problems := range map[string]int{
		`{"a": 1}`:                     0,
		`{"a": 1, "b": ["x", "x"]}`:    0,
		`{}`:                           1,
		`{"a": 1.5}`:                   1,
		`{"a": "1"}`:                   1,
		`{"a": 9}`:                     1,
		`{"a": 0}`:                     1,
		`{"a": 1, "b": ["y"]}`:         1,
		`{"a": 1, "b": null}`:          1,
		`{"a": 1, "c": "yesterday"}`:   1,
		`{"a": 1, "d": 1}`:             1,
		`{"a": 1, "secret": "hidden"}`: 1,
		`[]`:                           1,
	} {
		var v any
		if err := json.Unmarshal([]byte(body), &v); err != nil {
			t.Fatal(err)
		}
		got := c.validate(map[string]any{"$ref": "#/components/schemas/T"}, v, "body")
		if len(got) != problems {
			t.Errorf("%s: %d problems, want %d: %v", body, len(got), problems, got)
		}
	}
}

func TestDocument(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a := r.do("GET", "/api/openapi.json", nil, request{}).is(200)
	doc := read[map[string]any](a)
	if v := doc["openapi"].(string); !strings.HasPrefix(v, "3.1.") {
		t.Errorf("the document is of version %s", v)
	}
	for key, op := range r.contract.operations() {
		if op["operationId"] == "" || op["summary"] == "" {
			t.Errorf("%s has no id or no summary", key)
		}
		if _, path, _ := strings.Cut(key, " "); strings.HasPrefix(path, "/api/") != (op["security"] != nil) {
			t.Errorf("%s: security is %v", key, op["security"])
		}
	}
	if ct := a.header.Get("Content-Type"); !strings.Contains(ct, "openapi+json") {
		t.Errorf("content type %q", ct)
	}
}

// docs/api.md lists every operation, and none that does not exist.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "api.md"))
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([A-Z]+ /\\S*)`").FindAllStringSubmatch(string(text), -1) {
		listed[m[1]] = true
	}
	there := readContract(t, newHandlerRig(t).document).operations()
	for key := range there {
		if !listed[key] {
			t.Errorf("docs/api.md does not list %s", key)
		}
	}
	for key := range listed {
		if there[key] == nil {
			t.Errorf("docs/api.md lists %s, which does not exist", key)
		}
	}
}

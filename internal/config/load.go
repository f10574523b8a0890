package config

import (
	"bytes"
	"errors"
	"os"
	"strings"

	"github.com/spf13/viper"
)

// Load reads the configuration from a file, or from no file if path is empty, and
// from the RELAYD_ variables of environ, which has the form of os.Environ. The
// error joins every [Problem] that was found.
func Load(path string, environ []string) (*Config, error) {
	raw, src, errs := []byte(nil), &source{lines: map[string]int{}, variables: map[string]string{}}, []error(nil)
	if path != "" {
		raw, src, errs = readFile(path)
	}
	values, more := src.readEnvironment(environ)
	if errs = append(errs, more...); len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	c, errs := src.merge(raw, values)
	if len(errs) == 0 {
		errs = src.check(c)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	if c.DataDir == "" {
		dir, err := stateDir(environ, os.Getuid())
		if err != nil {
			return nil, err
		}
		c.DataDir = dir
	}
	return c, nil
}

// merge puts file and environment over the defaults and decodes them. Each load
// has a viper of its own: its WatchConfig races with its readers.
func (s *source) merge(raw []byte, environment map[string]any) (*Config, []error) {
	v := viper.New()
	v.SetConfigType("yaml")
	for _, k := range keys(Default()) {
		v.SetDefault(k.path, k.value.Interface())
	}
	if err := v.ReadConfig(bytes.NewReader(raw)); err != nil {
		return nil, []error{&Problem{File: s.file, What: strings.TrimSpace(err.Error())}}
	}
	for path, value := range environment {
		v.Set(path, value)
	}
	c := new(Config)
	if err := v.UnmarshalExact(c, strict); err != nil {
		return nil, s.decodeProblems(err)
	}
	return c, nil
}

// stateDir is where state is kept if the configuration does not say.
func stateDir(environ []string, uid int) (string, error) {
	env := map[string]string{}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		env[name] = value
	}
	switch {
	case env["STATE_DIRECTORY"] != "": // systemd.exec(5): several are parted by colons
		first, _, _ := strings.Cut(env["STATE_DIRECTORY"], ":")
		return first, nil
	case uid == 0:
		return "/var/lib/relayd", nil
	case env["XDG_STATE_HOME"] != "":
		return env["XDG_STATE_HOME"] + "/relayd", nil
	case env["HOME"] != "":
		return env["HOME"] + "/.local/state/relayd", nil
	}
	return "", &Problem{Key: "data_dir", What: "there is no home directory to keep state in", Remedy: "set data_dir, or RELAYD_DATA_DIR"}
}

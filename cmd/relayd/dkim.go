package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/internal/apiclient"
)

func newDKIM(e *environment) *cobra.Command {
	r := &remote{environment: e}
	c := r.flags(group("dkim", "Keys that sign directly delivered mail"))
	c.AddCommand(
		r.dkimGenerate(),
		r.command("list", "List the keys", exactly(), r.dkimList),
		r.command("dns DOMAIN", "Print the DNS records to publish, as lines of a zone file", exactly("the domain"), r.dkimDNS),
		r.command("delete KEY", "Delete a key, named by its id", exactly("the key"), r.dkimDelete),
	)
	return c
}

func (r *remote) dkimGenerate() *cobra.Command {
	var in api.KeyInput
	c := r.command("generate DOMAIN", "Make a key and print its DNS record", exactly("the domain"),
		func(ctx context.Context, client *apiclient.Client, args []string) error {
			in.Domain = args[0]
			k, err := client.CreateKey(ctx, in)
			if err != nil {
				return err
			}
			return r.answer(k, func(w io.Writer) {
				pairs(w, "Key", k.ID, "Domain", k.Domain, "Selector", k.Selector, "Algorithm", k.Algorithm)
				line(w, "Publish this record; until receivers see it, they cannot check the signature:")
				zoneLine(w, k)
			})
		})
	c.Flags().StringVar(&in.Selector, "selector", "", "name of the key in the DNS (default: made of the date and the algorithm)")
	c.Flags().StringVar(&in.Algorithm, "algorithm", "", "rsa-sha256 or ed25519-sha256 (default rsa-sha256)")
	return c
}

// zoneLine prints a record as zone files have it. It is made by relayd alone, so
// nothing of it came from strangers.
func zoneLine(w io.Writer, k *api.Key) {
	line(w, "%s IN %s %s", k.DNSName, k.DNSType, k.DNSValue)
}

func (r *remote) dkimList(ctx context.Context, client *apiclient.Client, _ []string) error {
	all, err := client.Keys(ctx, nil)
	if err != nil {
		return err
	}
	return r.answer(all, func(w io.Writer) {
		var rows [][]string
		for _, k := range all {
			rows = append(rows, []string{k.ID, k.Domain, k.Selector, k.Algorithm, when(k.Created)})
		}
		table(w, []string{"ID", "DOMAIN", "SELECTOR", "ALGORITHM", "CREATED"}, rows)
	})
}

func (r *remote) dkimDNS(ctx context.Context, client *apiclient.Client, args []string) error {
	all, err := client.Keys(ctx, apiclient.Filter{"domain": args[0]})
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return fmt.Errorf("there is no key for %s. Make one with: relayd dkim generate %s", args[0], args[0])
	}
	return r.answer(all, func(w io.Writer) {
		for i := range all {
			zoneLine(w, &all[i])
		}
	})
}

func (r *remote) dkimDelete(ctx context.Context, client *apiclient.Client, args []string) error {
	if err := client.DeleteKey(ctx, args[0]); err != nil {
		return err
	}
	return r.done("The key is deleted. Take its record out of the DNS only after a week: mail that it signed is still under way.")
}

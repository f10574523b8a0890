package main

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/relayd/relayd/internal/apiclient"
	"github.com/relayd/relayd/internal/config"
	"github.com/relayd/relayd/relay"
)

// remote is a command that calls the API of a running relayd.
type remote struct {
	*environment
	socket string // --socket
	url    string // --url
	token  string // --token
	json   bool   // --json
}

// flags adds what every such command takes to a command and those below it.
func (r *remote) flags(c *cobra.Command) *cobra.Command {
	f := c.PersistentFlags()
	f.StringVar(&r.socket, "socket", "", "Unix socket of relayd (default: the one of the configuration)")
	f.StringVar(&r.url, "url", "", "call relayd at this URL instead of the socket (or RELAYD_URL)")
	f.StringVar(&r.token, "token", "", "token for --url; others can see it in the list of processes, so prefer RELAYD_TOKEN")
	f.BoolVar(&r.json, "json", false, "print JSON, for scripts")
	return c
}

// call connects and runs do. That relayd is not there is told with the way to
// start it.
func (r *remote) call(do func(*apiclient.Client) error) error {
	opt, err := r.place()
	if err != nil {
		return err
	}
	client, err := apiclient.New(opt)
	if err != nil {
		return err
	}
	defer client.Close()
	err = do(client)
	if !errors.Is(err, apiclient.ErrUnreachable) {
		return err
	}
	if opt.URL != "" {
		return &unreachableError{place: opt.URL, cause: err}
	}
	return &unreachableError{place: opt.Socket, socket: true, cause: err}
}

// place finds relayd: a URL if one is given, else the socket that is given or
// configured.
func (r *remote) place() (apiclient.Options, error) {
	url := r.url
	if url == "" && r.socket == "" {
		url = r.variable("RELAYD_URL")
	}
	if url != "" {
		token := r.token
		if token == "" {
			token = r.variable("RELAYD_TOKEN")
		}
		return apiclient.Options{URL: url, Token: relay.Secret(token)}, nil
	}
	if r.socket != "" {
		return apiclient.Options{Socket: r.socket}, nil
	}
	c, err := r.loadConfig()
	if err != nil {
		return apiclient.Options{}, err
	}
	return apiclient.Options{Socket: adminSocket(c)}, nil
}

// adminSocket is where the admin socket lies.
func adminSocket(c *config.Config) string {
	if c.Admin.Socket != "" {
		return c.Admin.Socket
	}
	return filepath.Join(c.DataDir, "admin.sock")
}

// command makes a command that calls the API.
func (r *remote) command(use, short string, args cobra.PositionalArgs, run func(context.Context, *apiclient.Client, []string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: args,
		RunE: func(c *cobra.Command, args []string) error {
			return r.call(func(client *apiclient.Client) error { return run(c.Context(), client, args) })
		},
	}
}

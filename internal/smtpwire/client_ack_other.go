//go:build !linux

package smtpwire

import "net"

// ackNow is for kernels that can be asked to acknowledge at once.
func ackNow(net.Conn) bool { return false }

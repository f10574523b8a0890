// Package programtest runs the built program for whole-program tests, the way an
// operator would: a directory with data and configuration, a process, real ports on
// loopback, and real signals.
//
//  1. [Build] compiles relayd once for a test binary.
//  2. [New] prepares an installation: the records that an administrator would have
//     made, and the configuration file.
//  3. [Installation.Start] runs it until [Process.Kill], [Process.Stop] or the end of
//     the test; the same installation can be started again and again.
//  4. An application speaks through [Dial]; the provider at the other end is a
//     [Sink], which remembers everything that it took.
//
// What goes wrong is made here too: [Process.Trace] stands beside every flush of a
// running process, and [NewDisk] gives filesystems that fill up or lose their power.
package programtest

// Package storetest proves that an engine keeps the promises of package store: one
// conformance suite for the queue and one for the directory, which every engine
// passes.
//
// A suite opens the engine, does what the steps of relayd do, opens it again with
// what it holds, and compares. It knows no engine from inside.
package storetest

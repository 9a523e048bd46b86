// Command clientgo is client-go's part of benchmarks/informer: two informers that are measured, and a renderer that
// turns the benchmark's pods into protobuf.
//
//	clientgo render < pods.jsonl > pods.protobuf
//	clientgo typed URL OBJECTS
//	clientgo dynamic URL OBJECTS
package main

import (
	"fmt"
	"os"
	"strconv"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "clientgo:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 1 && args[0] == "render" {
		return render(os.Stdin, os.Stdout)
	}
	if len(args) != 3 {
		return fmt.Errorf("usage: clientgo render | clientgo typed|dynamic URL OBJECTS")
	}
	objects, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	start, err := prepare(args[0], args[1])
	if err != nil {
		return err
	}
	return newPeer(objects, start).serve(os.Stdin, os.Stdout)
}

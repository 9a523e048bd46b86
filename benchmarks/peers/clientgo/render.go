package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"io"

	corev1 "k8s.io/api/core/v1"
)

const lineBytesMax = 1 << 20

// render reads a pod's JSON from each line, and writes its protobuf behind four bytes that say how long it is. The
// server puts lists, events and the envelope of Kubernetes around it.
func render(in io.Reader, out io.Writer) error {
	writer := bufio.NewWriterSize(out, 1<<20)
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, lineBytesMax)
	for lines.Scan() {
		var pod corev1.Pod
		if err := json.Unmarshal(lines.Bytes(), &pod); err != nil {
			return err
		}
		message, err := pod.Marshal()
		if err != nil {
			return err
		}
		if err := binary.Write(writer, binary.BigEndian, uint32(len(message))); err != nil {
			return err
		}
		if _, err := writer.Write(message); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return writer.Flush()
}

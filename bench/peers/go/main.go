// SPDX-License-Identifier: MIT

// The server as a user of Go writes it: net, a goroutine per connection, bufio on both sides, a
// pool of submits.
//
// Tuned: buffers of 16 KiB; acks leave when no complete frame is buffered, so that many share a
// write and none waits behind the beginning of a frame.
package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
)

const (
	lengthSize     = 4
	requestSizeMin = 13
	frameSizeMax   = 64 * 1024
	ackSize        = 14
	bufferSize     = 16 * 1024
	conn           = 0x01
	submit         = 0x02
	ackBit         = 0x80
)

var errBroken = errors.New("no request")

// A packet without its length, in a buffer that is used again.
type request struct {
	packet []byte
}

var requests = sync.Pool{New: func() any { return &request{packet: make([]byte, 0, 128)} }}

func (r *request) read(from *bufio.Reader) error {
	header, err := from.Peek(lengthSize)
	if err != nil {
		return err
	}
	size := binary.BigEndian.Uint32(header)
	if size < requestSizeMin || size > frameSizeMax {
		return errBroken
	}
	from.Discard(lengthSize)
	size -= lengthSize
	if cap(r.packet) < int(size) {
		r.packet = make([]byte, size)
	}
	r.packet = r.packet[:size]
	if _, err = io.ReadFull(from, r.packet); err != nil {
		return err
	}
	if r.packet[0] != conn && r.packet[0] != submit {
		return errBroken
	}
	return nil
}

func (r *request) ack(to *bufio.Writer) error {
	var ack [ackSize]byte

	binary.BigEndian.PutUint32(ack[:], ackSize)
	ack[4] = r.packet[0] | ackBit
	copy(ack[5:13], r.packet[1:9])
	_, err := to.Write(ack[:])
	return err
}

func hasWholeFrame(from *bufio.Reader) bool {
	if from.Buffered() < lengthSize {
		return false
	}
	header, _ := from.Peek(lengthSize)
	return uint64(from.Buffered()) >= uint64(binary.BigEndian.Uint32(header))
}

func answer(from *bufio.Reader, to *bufio.Writer) error {
	request := requests.Get().(*request)
	defer requests.Put(request)

	if err := request.read(from); err != nil {
		return err
	}
	if err := request.ack(to); err != nil {
		return err
	}
	if hasWholeFrame(from) {
		return nil
	}
	return to.Flush()
}

func serve(connection net.Conn) {
	defer connection.Close()
	from := bufio.NewReaderSize(connection, bufferSize)
	to := bufio.NewWriterSize(connection, bufferSize)

	for answer(from, to) == nil {
	}
	to.Flush()
}

func main() {
	if len(os.Args) != 2 {
		os.Exit(64)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err == nil {
		err = os.WriteFile(os.Args[1], []byte(fmt.Sprintf("listen %s\n", listener.Addr())), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(71)
	}
	for {
		connection, err := listener.Accept()
		if err != nil {
			continue
		}
		go serve(connection)
	}
}

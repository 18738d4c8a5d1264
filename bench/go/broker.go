// The reference that leases are held against: a broker in one process, with net/http and httputil.ReverseProxy. Whoever
// sends a byte on a lease's channel gets a stream; what comes by it goes to the upstream with the key put in. It has no
// rules, no audit and no masking. For the benchmark only.
//
//	broker run UPSTREAM CA-FILE KEY-FILE -- WORD...    runs a command with a lease on descriptor 3
//	broker lend                                        lends, to whoever is at its standard input, as
//	                                                   tests/soak/lender.c tells
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// streams is a listener whose connections are handed to it.
type streams struct {
	incoming chan net.Conn
	done     chan struct{}
}

func (s *streams) Accept() (net.Conn, error) {
	select {
	case c := <-s.incoming:
		return c, nil
	case <-s.done:
		return nil, errors.New("the lease has ended")
	}
}

func (s *streams) Close() error   { return nil }
func (s *streams) Addr() net.Addr { return &net.UnixAddr{Name: "lease", Net: "unix"} }

func pair(kind int) (ours, theirs int, err error) {
	ends, err := syscall.Socketpair(syscall.AF_UNIX, kind|syscall.SOCK_CLOEXEC, 0)
	return ends[0], ends[1], err
}

func connection(fd int) (net.Conn, error) {
	file := os.NewFile(uintptr(fd), "stream")
	defer file.Close()
	return net.FileConn(file)
}

// dial makes a stream for whoever asked, our own end first.
func dial(channel *net.UnixConn, to chan<- net.Conn) {
	ours, theirs, err := pair(syscall.SOCK_STREAM)
	if err != nil {
		channel.Write([]byte{0xff})
		return
	}
	defer syscall.Close(theirs)
	c, err := connection(ours)
	if err != nil {
		channel.Write([]byte{0xff})
		return
	}
	to <- c
	channel.WriteMsgUnix([]byte{1}, syscall.UnixRights(theirs), nil)
}

func listen(channel *net.UnixConn, s *streams) {
	defer close(s.done)
	request := make([]byte, 2)
	for {
		n, err := channel.Read(request)
		if err != nil || n == 0 {
			return
		}
		if n != 1 || request[0] != 1 {
			channel.Write([]byte{0xff})
			continue
		}
		dial(channel, s.incoming)
	}
}

func authorities(file string) *x509.CertPool {
	if file == "-" {
		return nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		log.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return pool
}

// lease serves a new channel until it ends, with a transport of its own, and returns the workload's end.
func lease(upstream, caFile, key string) (int, error) {
	to, err := url.Parse(upstream)
	if err != nil {
		return -1, err
	}
	ours, theirs, err := pair(syscall.SOCK_SEQPACKET)
	if err != nil {
		return -1, err
	}
	c, err := connection(ours)
	if err != nil {
		return -1, err
	}
	proxy := &httputil.ReverseProxy{
		Director: func(r *http.Request) {
			r.URL.Scheme, r.URL.Host, r.Host = to.Scheme, to.Host, to.Host
			r.Header.Set("Authorization", "Bearer "+key)
		},
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authorities(caFile)}},
	}
	s := &streams{incoming: make(chan net.Conn), done: make(chan struct{})}
	go http.Serve(s, proxy)
	go listen(c.(*net.UnixConn), s)
	return theirs, nil
}

func run(words []string) {
	if len(words) < 5 || words[3] != "--" {
		log.Fatal("usage: broker run UPSTREAM CA-FILE KEY-FILE -- WORD...")
	}
	key, err := os.ReadFile(words[2])
	if err != nil {
		log.Fatal(err)
	}
	channel, err := lease(words[0], words[1], strings.TrimSpace(string(key)))
	if err != nil {
		log.Fatal(err)
	}
	command := exec.Command(words[4], words[5:]...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	command.ExtraFiles = []*os.File{os.NewFile(uintptr(channel), "lease")}
	if err := command.Run(); err != nil {
		log.Fatal(err)
	}
}

// lend: a lease ends with its channel, which the borrower closes.
func lend() {
	c, err := connection(0)
	if err != nil {
		log.Fatal(err)
	}
	borrower := c.(*net.UnixConn)
	borrower.Write([]byte("started"))
	text := make([]byte, 4096)
	for {
		n, err := borrower.Read(text)
		words := bytes.Fields(text[:n])
		if err != nil || n == 0 || string(words[0]) == "stop" {
			return
		}
		if string(words[0]) != "lend" || len(words) != 6 {
			continue
		}
		channel, err := lease(string(words[3]), string(words[4]), string(words[5]))
		if err != nil {
			borrower.Write([]byte(fmt.Sprintf("failed %s %v", words[1], err)))
			continue
		}
		borrower.WriteMsgUnix([]byte(fmt.Sprintf("ready %s\x00", words[1])), syscall.UnixRights(channel), nil)
		syscall.Close(channel)
	}
}

func main() {
	switch {
	case len(os.Args) > 1 && os.Args[1] == "run":
		run(os.Args[2:])
	case len(os.Args) == 2 && os.Args[1] == "lend":
		lend()
	default:
		log.Fatal("usage: broker run ... | broker lend")
	}
}

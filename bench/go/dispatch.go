// The reference that the dispatcher is held against: what one writes in Go in an afternoon, with
// httputil.ReverseProxy. The name of a person in a header field, a table of their instances, a session's cookie that
// must be there, WebSockets included. For the benchmark only.
//
//	dispatch LISTEN TABLE IDLE
//
// IDLE is how many connections to one instance are kept; 0 is the library's own number, which is 2.
package main

import (
	"encoding/json"
	"log"
	"net/http"
	"net/http/httputil"
	"os"
	"strconv"
	"strings"
)

const header = "X-Authentik-Username"

type instance struct {
	OSUser string `json:"os_user"`
	Port   int    `json:"port"`
}

func readTable(path string) map[string]instance {
	text, err := os.ReadFile(path)
	if err != nil {
		log.Fatal(err)
	}
	table := map[string]instance{}
	if err := json.Unmarshal(text, &table); err != nil {
		log.Fatal(err)
	}
	return table
}

func hasSession(r *http.Request) bool {
	for _, cookie := range r.Cookies() {
		if strings.HasPrefix(cookie.Name, "t3_session") {
			return true
		}
	}
	return false
}

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: dispatch LISTEN TABLE IDLE")
	}
	table := readTable(os.Args[2])
	idle, err := strconv.Atoi(os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = idle
	transport.MaxIdleConns = 0
	transport.DisableCompression = true
	proxy := &httputil.ReverseProxy{
		Director: func(r *http.Request) {
			name, _, _ := strings.Cut(r.Header.Get(header), "@")
			r.URL.Scheme = "http"
			r.URL.Host = "127.0.0.1:" + strconv.Itoa(table[name].Port)
			r.Header.Del(header)
		},
		Transport: transport,
	}
	log.Fatal(http.ListenAndServe(os.Args[1], http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, _, _ := strings.Cut(r.Header.Get(header), "@")
		if _, known := table[name]; !known {
			http.Error(w, "no t3 instance provisioned for this user", http.StatusForbidden)
			return
		}
		if !hasSession(r) {
			http.Error(w, "no session", http.StatusUnauthorized)
			return
		}
		proxy.ServeHTTP(w, r)
	})))
}

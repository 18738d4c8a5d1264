/*
 * What a Node loads before its program (NODE_OPTIONS, --require): until 22.21 and 24 its fetch looks at no proxy
 * variable, and has no way out. Its connections are then made through the proxy of the environment; everything else is
 * left as it is. Laid by door_files.c.
 */
#pragma once

static const char door_node_script[] =
    "\"use strict\";\n"
    "// For a Node that does not know NODE_USE_ENV_PROXY: its fetch goes through the proxy too, by CONNECT.\n"
    "const [major, minor] = process.versions.node.split(\".\").map(Number);\n"
    "const proxy = process.env.HTTPS_PROXY || process.env.https_proxy;\n"
    "if (proxy && globalThis.fetch && (major < 22 || major === 23 || (major === 22 && minor < 21))) {\n"
    "  const fetch = globalThis.fetch, slot = Symbol.for(\"undici.globalDispatcher.1\");\n"
    "  const connect = (options, done) => {\n"
    "    const { hostname, port, protocol, servername } = options, { hostname: at, port: door } = new URL(proxy);\n"
    "    const host = hostname.replace(/^\\[|\\]$/g, \"\"), is_tls = protocol === \"https:\";\n"
    "    const path = `${host.includes(\":\") ? `[${host}]` : host}:${port || (is_tls ? 443 : 80)}`;\n"
    "    const fail = (error) => done(error, null);\n"
    "    const ask = require(\"http\").request({ host: at, port: door, method: \"CONNECT\", path, agent: false });\n"
    "    ask.setHeader(\"Host\", path);\n"
    "    ask.once(\"error\", fail).once(\"connect\", (answer, socket) => {\n"
    "      if (answer.statusCode !== 200) {\n"
    "        socket.destroy();\n"
    "        return fail(new Error(`the proxy says ${answer.statusCode} to ${path}`));\n"
    "      }\n"
    "      if (!is_tls) return done(null, socket);\n"
    "      const name = require(\"net\").isIP(host) ? { host } : { servername: servername || host };\n"
    "      const tls = require(\"tls\").connect({ socket, ALPNProtocols: [\"http/1.1\"], ...name }, () => {\n"
    "        tls.off(\"error\", fail);\n"
    "        done(null, tls);\n"
    "      }).once(\"error\", fail);\n"
    "    }).end();\n"
    "  };\n"
    "  globalThis.fetch = function (input, init) {\n"
    "    globalThis.fetch = fetch;\n"
    "    void globalThis.Response; // loads the library, and with it the dispatcher\n"
    "    const Agent = globalThis[slot] && globalThis[slot].constructor;\n"
    "    if (Agent) globalThis[slot] = new Agent({ connect });\n"
    "    return fetch(input, init);\n"
    "  };\n"
    "}\n";

{
  "variables": {
    # Inlining across files is worth 3 to 5 %. GCC links what it compiles so
    # with any linker; other compilers may need a plugin that is not there.
    "lto": "<!(node -p \"try { /Free Software Foundation/.test(require('child_process').execFileSync(process.env.CC || 'cc', ['--version'])) ? '-flto' : '-O3' } catch { '-O3' }\")"
  },
  "targets": [
    {
      "target_name": "ws_upgrade",
      "sources": [
        "core/agenda.c",
        "core/buffer.c",
        "core/connection.c",
        "core/decoder.c",
        "core/deflate.c",
        "core/encoder.c",
        "core/error.c",
        "core/extension.c",
        "core/frame.c",
        "core/handshake.c",
        "core/history.c",
        "core/huffman.c",
        "core/liveness.c",
        "core/mask.c",
        "core/message.c",
        "core/output.c",
        "core/sha1.c",
        "core/utf8.c",
        "io/heartbeat.c",
        "io/loop.c",
        "io/stats.c",
        "io/stream.c",
        "io/tcp.c",
        "io/transport.c",
        "io/work.c",
        "binding/addon.c",
        "binding/call.c",
        "binding/cork.c",
        "binding/deflate.c",
        "binding/env.c",
        "binding/events.c",
        "binding/heartbeat.c",
        "binding/inflate.c",
        "binding/slab.c",
        "binding/slots.c",
        "binding/stats.c",
        "binding/stream.c",
        "binding/tables.c",
        "binding/upgrade.c"
      ],
      "include_dirs+": [
        "<!@(node -p \"try { require('node-api-headers').include_dir } catch { '' }\")",
        "core"
      ],
      "defines": ["NAPI_VERSION=8", "_GNU_SOURCE"],
      "defines!": ["_FILE_OFFSET_BITS=64", "_LARGEFILE_SOURCE"],
      "cflags_c": [
        "-std=c11",
        "-fvisibility=hidden",
        "-Wall",
        "-Wextra",
        "-Wshadow",
        "<(lto)"
      ],
      "ldflags": ["-Wl,--as-needed", "-Wl,-z,relro,-z,now", "<(lto)"],
      "xcode_settings": {
        "GCC_C_LANGUAGE_STANDARD": "c11",
        "GCC_SYMBOLS_PRIVATE_EXTERN": "YES",
        "MACOSX_DEPLOYMENT_TARGET": "10.15"
      }
    }
  ]
}

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
        "src/core/buffer.c",
        "src/core/connection.c",
        "src/core/decoder.c",
        "src/core/deflate.c",
        "src/core/encoder.c",
        "src/core/error.c",
        "src/core/extension.c",
        "src/core/frame.c",
        "src/core/handshake.c",
        "src/core/history.c",
        "src/core/huffman.c",
        "src/core/mask.c",
        "src/core/message.c",
        "src/core/output.c",
        "src/core/sha1.c",
        "src/core/utf8.c",
        "src/io/loop.c",
        "src/io/stream.c",
        "src/io/tcp.c",
        "src/io/transport.c",
        "src/io/work.c",
        "src/binding/addon.c",
        "src/binding/call.c",
        "src/binding/cork.c",
        "src/binding/deflate.c",
        "src/binding/env.c",
        "src/binding/events.c",
        "src/binding/inflate.c",
        "src/binding/slots.c",
        "src/binding/stream.c",
        "src/binding/tables.c",
        "src/binding/upgrade.c"
      ],
      "include_dirs+": [
        "<!@(node -p \"try { require('node-api-headers').include_dir } catch { '' }\")",
        "src/core"
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

# Not in the package, see lib/compile.js.
{ "includes": ["src/addon.gypi"] }

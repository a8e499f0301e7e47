# Not in the package, see lib/compile.js.
{ "includes": ["ws_upgrade.gypi"] }

"""RPC: translation between protos and commands."""

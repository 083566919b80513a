"""The command `aldata`: one module per subcommand, imported only when it is called."""

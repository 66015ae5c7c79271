"""The command line of textcnn: each command parses its options, makes one library call and renders the result."""

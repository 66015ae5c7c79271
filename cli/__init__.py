"""The command line of textcnn: parse, one library call, render."""

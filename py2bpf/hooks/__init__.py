"""What the modules of hooks share: links, the ways to attach a program, and what programs are attached to."""

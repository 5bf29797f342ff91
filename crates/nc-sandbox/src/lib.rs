//! What a sandbox is, and the engines that build one.

"""Spoiled messages, frames and handshakes against the decoders, the families and the running sockets."""

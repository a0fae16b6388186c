"""gRPC: servicers, conversion to and from messages, interceptors."""

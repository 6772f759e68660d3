"""Example and knowledge retrieval: stores, encoders and their training, contexts; the packaged encoder and library."""

"""The product on in-memory parts: a small world of clusters, kubelets and controllers. SHELL."""

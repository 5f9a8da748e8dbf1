"""The OpenAPI 3.1 document: written by hand where words count, its schemas made from the Structs."""

"""A storage element: bytes and attributes in one directory, which alone tells everything.

The rooms: `domain` decides, `store` is the only one that touches the disk (its head describes the format), `usecases`
are what an element can do, `rpc` is the wire, `app` the parts list.
"""

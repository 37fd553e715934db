"""How text from strangers is read: field by field, all faults at once, no exception."""

"""What coding agents keep in their settings about Wayfind: where, in which format, and how it is put in and taken out."""

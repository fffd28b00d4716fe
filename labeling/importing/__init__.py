"""Pictures and labels come in: sources of files (upload, archive, addresses, folder) and formats of labels."""

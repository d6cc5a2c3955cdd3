package logstore

// readable reports whether a file of this name may be listed and opened:
// whether docassemble's Logs page, which rewrites every name it is asked for,
// leaves this one as it is. The page takes the compatibility decomposition
// (NFKD), drops what is not ASCII, drops all but letters, digits, '_', '.',
// '-' and blank, and cuts '.', '_' and blank from both ends. No name with a
// byte outside ASCII can come through that unchanged.
func readable(name string) bool {
	if name == "" || pageCuts(name[0]) || pageCuts(name[len(name)-1]) {
		return false
	}
	for i := range len(name) {
		if c := name[i]; !nameByte[c] && c != ' ' {
			return false
		}
	}
	return true
}

func pageCuts(c byte) bool { return c == '.' || c == '_' || c == ' ' }

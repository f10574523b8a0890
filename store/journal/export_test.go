package journal

import (
	"encoding/binary"
	"hash/crc32"
)

// RaiseVersion makes a segment header one of a later format.
func RaiseVersion(b []byte) {
	binary.LittleEndian.PutUint32(b[8:], formatVersion+1)
	binary.LittleEndian.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
}

extension StringProtocol {
    /// The text as one word of a command that can be pasted into a shell: as it is where it steers
    /// nothing there, else between single quotes.
    package var shellWord: String {
        guard isEmpty || !utf8.allSatisfy(isPlain) else { return String(self) }
        let parts = split(separator: "'", omittingEmptySubsequences: false)
        return "'" + parts.joined(separator: #"'\''"#) + "'"
    }
}

/// Whether a byte has no meaning to a shell, wherever it stands; those of letters beyond ASCII have
/// none.
private func isPlain(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x80...0xFF: true
    default: "-_./,:+@%".utf8.contains(byte)
    }
}

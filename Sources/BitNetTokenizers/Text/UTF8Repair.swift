/// Turns bytes into valid UTF-8 as they come: U+FFFD for every maximal part of an invalid sequence,
/// as Python's `errors="replace"` and the WHATWG decoder do, or for every byte of it.
struct UTF8Repair: Sendable {
    /// The first bytes of a sequence that is valid so far.
    private var pending: [UInt8] = []
    /// How many bytes it still needs.
    private var needed = 0
    /// What its next byte may be: narrower than a continuation byte after E0, ED, F0 and F4.
    private var allowed: ClosedRange<UInt8> = 0x80...0xBF

    /// Whether every byte that is part of no character becomes one U+FFFD.
    private let countsBytes: Bool

    private static let replacement: [UInt8] = [0xEF, 0xBF, 0xBD]

    init(countingBytes: Bool = false) { countsBytes = countingBytes }

    /// Appends to `output` what `bytes` complete.
    mutating func append(_ bytes: some Sequence<UInt8>, to output: inout [UInt8]) {
        for byte in bytes {
            if needed > 0 {
                if allowed.contains(byte) {
                    take(byte, to: &output)
                    continue
                }
                finish(to: &output)
            }
            begin(byte, to: &output)
        }
    }

    /// Ends the text: a sequence that is not whole becomes U+FFFD.
    mutating func finish(to output: inout [UInt8]) {
        guard needed > 0 else { return }
        for _ in 0..<(countsBytes ? pending.count : 1) { output += Self.replacement }
        pending.removeAll(keepingCapacity: true)
        needed = 0
        allowed = 0x80...0xBF
    }

    private mutating func take(_ byte: UInt8, to output: inout [UInt8]) {
        pending.append(byte)
        allowed = 0x80...0xBF
        needed -= 1
        guard needed == 0 else { return }
        output += pending
        pending.removeAll(keepingCapacity: true)
    }

    private mutating func begin(_ byte: UInt8, to output: inout [UInt8]) {
        switch byte {
        case 0x00...0x7F: return output.append(byte)
        case 0xC2...0xDF: needed = 1
        case 0xE0...0xEF: needed = 2
        case 0xF0...0xF4: needed = 3
        default:
            output += Self.replacement
            return
        }
        switch byte {
        case 0xE0: allowed = 0xA0...0xBF
        case 0xED: allowed = 0x80...0x9F
        case 0xF0: allowed = 0x90...0xBF
        case 0xF4: allowed = 0x80...0x8F
        default: break
        }
        pending.append(byte)
    }
}

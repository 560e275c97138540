package import BitNetKit
package import Foundation

extension GGUFVocabulary {
    /// The vocabulary of a well-formed GGUF file, read without the library's own reader; nil if the
    /// file is not there or empty.
    package init?(contentsOf url: URL) {
        guard let data = try? Data(contentsOf: url), data.count > 24 else { return nil }
        var cursor = Cursor(bytes: [UInt8](data))
        guard cursor.integer(4) == 0x4655_4747, cursor.integer(4) >= 2 else { return nil }
        _ = cursor.integer(8)
        self.init(
            model: "", pre: nil, architecture: "", tokens: ByteStrings(), merges: ByteStrings())
        for _ in 0..<cursor.integer(8) {
            let key = String(decoding: cursor.string(), as: UTF8.self)
            set(key, cursor.value(type: cursor.integer(4)))
        }
    }

    private mutating func set(_ key: String, _ value: Cursor.Value) {
        switch (key, value) {
        case ("general.architecture", .string(let text)): architecture = text
        case ("tokenizer.ggml.model", .string(let text)): model = text
        case ("tokenizer.ggml.pre", .string(let text)): pre = text
        case ("tokenizer.ggml.tokens", .strings(let list)): tokens = list
        case ("tokenizer.ggml.merges", .strings(let list)): merges = list
        case ("tokenizer.ggml.token_type", .integers(let list)):
            tokenTypes = list.map { Int32(truncatingIfNeeded: $0) }
        case ("tokenizer.ggml.scores", .integers(let list)):
            scores = list.map { Float(bitPattern: UInt32(truncatingIfNeeded: $0)) }
        case ("tokenizer.ggml.add_space_prefix", .integer(let flag)): addsSpacePrefix = flag != 0
        case ("tokenizer.ggml.unknown_token_id", .integer(let id)): unknown = id
        case ("tokenizer.ggml.bos_token_id", .integer(let id)): beginOfText = id
        case ("tokenizer.ggml.eos_token_id", .integer(let id)): endOfText = id
        case ("tokenizer.ggml.eot_token_id", .integer(let id)): additionalEnds.append(id)
        case ("tokenizer.ggml.add_bos_token", .integer(let flag)): addsBeginOfText = flag != 0
        case ("tokenizer.ggml.add_eos_token", .integer(let flag)): addsEndOfText = flag != 0
        default: break
        }
    }
}

/// Reads the key-value part of a GGUF file.
private struct Cursor {
    enum Value {
        case integer(Int)
        case integers([Int])
        case string(String)
        case strings(ByteStrings)
    }

    let bytes: [UInt8]
    var offset = 0

    mutating func integer(_ size: Int) -> Int {
        defer { offset += size }
        return (0..<size).reversed().reduce(0) { $0 << 8 | Int(bytes[offset + $1]) }
    }

    mutating func string() -> ArraySlice<UInt8> {
        let count = integer(8)
        defer { offset += count }
        return bytes[offset..<offset + count]
    }

    /// Floats come out as their bits: nothing here needs them.
    mutating func value(type: Int) -> Value {
        switch type {
        case 0, 1, 7: return .integer(integer(1))
        case 2, 3: return .integer(integer(2))
        case 4, 5, 6: return .integer(integer(4))
        case 8: return .string(String(decoding: string(), as: UTF8.self))
        case 9:
            let element = integer(4)
            let count = integer(8)
            guard element != 8 else {
                var list = ByteStrings()
                for _ in 0..<count { list.append(string()) }
                return .strings(list)
            }
            return .integers(
                (0..<count).map { _ in
                    if case .integer(let item) = value(type: element) { item } else { 0 }
                })
        default: return .integer(integer(8))
        }
    }
}

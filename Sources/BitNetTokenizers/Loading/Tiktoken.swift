import Foundation

/// A tiktoken `tokenizer.model`: a token in base64 and its rank on every line.
///
/// The merges are implied: two neighbours merge if they make a token, that with the lowest rank
/// first. Source: `tiktoken/load.py` and Llama 3's reference code for the special tokens.
struct TiktokenModel {
    /// Tokens in the order of their ranks.
    let tokens: ByteStrings

    /// Whether `bytes` look like such a file: base64, a space, and digits on the first line.
    static func matches(_ bytes: [UInt8]) -> Bool {
        guard let line = bytes.split(separator: 0x0A, maxSplits: 1).first, line.count < 4096 else {
            return false
        }
        return (try? parse(line, number: 1)) != nil
    }

    /// Reads a file.
    ///
    /// - Throws: `BitNetError.tokenizer` naming the first line that is malformed or out of order.
    init(_ bytes: [UInt8]) throws(BitNetError) {
        try ByteStrings.check(bytes.count, of: "tokenizer.model")
        var listed = ByteStrings()
        var ranks: [Int] = []
        var rest = bytes[...]
        while let start = rest.firstIndex(where: { $0 != 0x0A }) {
            let line = rest[start...].prefix { $0 != 0x0A }
            let (rank, token) = try Self.parse(line, number: ranks.count + 1)
            listed.append(token)
            ranks.append(rank)
            rest = rest[line.endIndex...]
        }
        guard listed.count > 0 else { throw .tokenizer(detail: "tokenizer.model is empty") }
        tokens = try Self.sorted(listed, by: ranks)
    }

    /// The tokens in the order of their ranks, which must be all from 0 on.
    private static func sorted(
        _ listed: ByteStrings, by ranks: [Int]
    ) throws(BitNetError) -> ByteStrings {
        if ranks.elementsEqual(0..<ranks.count) { return listed }
        var places = [Int](repeating: -1, count: ranks.count)
        for (place, rank) in ranks.enumerated() where rank < places.count {
            places[rank] = place
        }
        if let rank = places.firstIndex(of: -1) {
            throw .tokenizer(
                detail: "tokenizer.model: rank \(rank) is missing or listed twice")
        }
        var tokens = ByteStrings()
        for place in places { tokens.append(listed[place]) }
        return tokens
    }

    private static func parse(
        _ line: ArraySlice<UInt8>, number: Int
    ) throws(BitNetError) -> (rank: Int, token: [UInt8]) {
        var line = line
        if line.last == 0x0D { line = line.dropLast() }
        let parts = line.split(separator: 0x20, omittingEmptySubsequences: false)
        guard parts.count == 2, let rank = Int(String(decoding: parts[1], as: UTF8.self)),
            rank >= 0, let token = Data(base64Encoded: Data(parts[0])), !token.isEmpty
        else {
            let text = String(decoding: line.prefix(40), as: UTF8.self)
            throw .tokenizer(
                detail: "tokenizer.model, line \(number): \(text.quoted) is not a token in "
                    + "base64 and "
                    + "its rank")
        }
        return (rank, Array(token))
    }

    /// Llama 3's 256 special tokens, which follow the ranks and are not in the file.
    static let llama3Specials: [String] = {
        let named = [
            "<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>",
            "<|reserved_special_token_1|>", "<|reserved_special_token_2|>",
            "<|reserved_special_token_3|>", "<|start_header_id|>", "<|end_header_id|>",
            "<|reserved_special_token_4|>", "<|eot_id|>",
        ]
        return named + (5..<251).map { "<|reserved_special_token_\($0)|>" }
    }()
}

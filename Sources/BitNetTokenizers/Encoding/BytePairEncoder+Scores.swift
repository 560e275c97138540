extension BytePairEncoder {
    /// Scores with which sentencepiece merges as this encoder does: those it has, or else ones that
    /// follow the order of the listed merges. nil where no scores say the same.
    ///
    /// A `tokenizer.json` made from a sentencepiece model lists every pair that makes a token, the
    /// pairs of one token together, the token with the highest score first. Then the scores' order
    /// can be read back from the list.
    func scores() -> [Float]? {
        guard priorities.isEmpty else { return priorities.map { PieceScore.score($0) } }
        var scores = [Float](repeating: 0, count: vocabulary.count)
        var made = 0
        var last: Int32 = -1
        for (left, right) in merges.pairs {
            let id = Int32(truncatingIfNeeded: merges.merge(Int32(left), Int32(right)))
            if id == last { continue }
            // A token that comes again would need two scores.
            guard scores[Int(id)] == 0 else { return nil }
            made += 1
            scores[Int(id)] = -Float(made)
            last = id
        }
        return scores
    }

    /// Whether scores of the pieces in `copy` merge the pairs that the merges here list, and no
    /// others: they would merge any two pieces that make a third.
    func listsEveryPair(of copy: BytePairEncoder) -> Bool {
        let pieces = copy.vocabulary
        let bytes = pieces.tokens.storage
        var count = 0
        for id in 0..<pieces.count {
            let range = pieces.tokens.range(id)
            guard pieces.id(of: bytes, range) == id else { continue }
            for middle in range.dropFirst() {
                let left = pieces.id(of: bytes, range.lowerBound..<middle)
                let right = pieces.id(of: bytes, middle..<range.upperBound)
                // With scores a character without a token merges too.
                guard left >= 0 || Self.isCharacter(bytes, range.lowerBound..<middle),
                    right >= 0 || Self.isCharacter(bytes, middle..<range.upperBound)
                else { continue }
                guard left >= 0, right >= 0, case let merge = merges.merge(left, right),
                    merge != MergeTable.none, Int32(truncatingIfNeeded: merge) == id
                else { return false }
                count += 1
            }
        }
        return count == merges.count
    }

    /// Whether `bytes[range]` is one character.
    static func isCharacter(_ bytes: [UInt8], _ range: Range<Int>) -> Bool {
        !range.isEmpty && bytes[range.lowerBound] & 0xC0 != 0x80
            && length(of: bytes[range.lowerBound]) == range.count
    }
}

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
        return listsEveryPair ? scores : nil
    }

    /// Whether no two tokens make a third without a merge that says so: scores would merge them.
    private var listsEveryPair: Bool {
        let storage = vocabulary.tokens.storage
        for id in 0..<vocabulary.count where vocabulary.kinds[id] == .normal {
            let range = vocabulary.tokens.range(id)
            for middle in range.dropFirst() {
                let left = vocabulary.id(of: storage, range.lowerBound..<middle)
                let right = vocabulary.id(of: storage, middle..<range.upperBound)
                // With scores a character without a token merges too.
                guard left >= 0 || isCharacter(storage, range.lowerBound..<middle),
                    right >= 0 || isCharacter(storage, middle..<range.upperBound)
                else { continue }
                guard left >= 0, right >= 0, merges.merge(left, right) != MergeTable.none else {
                    return false
                }
            }
        }
        return true
    }

    private func isCharacter(_ bytes: [UInt8], _ range: Range<Int>) -> Bool {
        bytes[range.lowerBound] & 0xC0 != 0x80
            && Self.length(of: bytes[range.lowerBound]) == range.count
    }
}

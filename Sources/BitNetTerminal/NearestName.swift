/// The name among `names` that was probably meant by `word`: the only one that begins with it, or the
/// one with the fewest typing errors, at most one in three letters; nil where nothing is near, or
/// several begin so.
///
/// A letter too many, too few or wrong is an error, as are two letters that changed places. Dashes and
/// the like do not count where nothing is near with them.
package func nearestName(to word: String, among names: [String]) -> String? {
    let word = word.lowercased()
    guard (1...longestName).contains(word.utf8.count) else { return nil }
    let spellings = [names.map { $0.lowercased() }, names.map(plain)]
    let words = [word, plain(word)]
    // Several that begin so are no typing error.
    guard spellings[0].count(where: { $0.hasPrefix(word) }) < 2 else { return nil }
    for find in [onlyLonger, fewestErrors] {
        for (word, spelled) in zip(words, spellings) where !word.isEmpty {
            if let index = find(word, spelled) { return names[index] }
        }
    }
    return nil
}

/// Small letters and digits alone.
private func plain(_ name: String) -> String {
    name.lowercased().filter { $0.isLetter || $0.isNumber }
}

/// The only name that begins with `word`.
private func onlyLonger(_ word: String, _ names: [String]) -> Int? {
    let longer = names.indices.filter { names[$0].hasPrefix(word) }
    return longer.count == 1 ? longer[0] : nil
}

/// The name with the fewest typing errors, where they are few.
private func fewestErrors(_ word: String, _ names: [String]) -> Int? {
    let errors = names.map { typingErrors(word, $0) }
    guard let best = names.indices.min(by: { errors[$0] < errors[$1] }),
        errors[best] <= max(1, word.count / 3), errors[best] < word.count
    else { return nil }
    return best
}

/// No name has more bytes, and nobody mistypes so many.
private let longestName = 64

/// The optimal string alignment distance.
private func typingErrors(_ first: String, _ second: String) -> Int {
    let (a, b) = (Array(first.unicodeScalars), Array(second.unicodeScalars))
    guard !a.isEmpty, !b.isEmpty else { return max(a.count, b.count) }
    var before: [Int] = []
    var last = Array(0...b.count)
    for i in 1...a.count {
        var row = [i]
        for j in 1...b.count {
            let isSame = a[i - 1] == b[j - 1]
            var errors = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (isSame ? 0 : 1))
            if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] {
                errors = min(errors, before[j - 2] + 1)
            }
            row.append(errors)
        }
        (before, last) = (last, row)
    }
    return last[b.count]
}

/// The name among `names` that was probably meant by `word`: the only one that begins with it, or the
/// one with the fewest typing errors, at most one in three letters; nil where nothing is near.
///
/// A letter too many, too few or wrong is an error, as are two letters that changed places. Where
/// nothing is near so, dashes and the like do not count.
package func nearestName(to word: String, among names: [String]) -> String? {
    if let name = near(word, names) { return name }
    let plain = names.map(lettersAndDigits)
    let found = near(lettersAndDigits(of: word), plain)
    return found.flatMap { plain.firstIndex(of: $0) }.map { names[$0] }
}

private func lettersAndDigits(of name: String) -> String {
    String(name.prefix(longestName + 1).filter { $0.isLetter || $0.isNumber })
}

private func near(_ word: String, _ names: [String]) -> String? {
    let word = word.lowercased()
    guard (1...longestName).contains(word.utf8.count) else { return nil }
    let longer = names.filter { $0.lowercased().hasPrefix(word) }
    if longer.count == 1 { return longer[0] }
    let distances = names.map { (name: $0, errors: typingErrors(word, $0.lowercased())) }
    guard let best = distances.min(by: { $0.errors < $1.errors }),
        best.errors <= max(1, word.count / 3), best.errors < word.count
    else { return nil }
    return best.name
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

import Foundation

/// What is done to a text before it is cut into words, as `tokenizer.json` or a sentencepiece model
/// says.
struct Normalizer: Sendable {
    /// When text is put in front.
    enum Prefix: Sendable, Equatable {
        /// Before every part of a text that is not empty.
        case always
        /// Before every part that does not begin with it.
        case unlessPresent
        /// Before the first part, if it does not begin with it.
        case first
    }

    enum Step: Sendable, Equatable {
        case prepend([UInt8], Prefix)
        /// Replaces every occurrence of some text.
        case replace([UInt8], with: [UInt8])
        case nfc, nfd, nfkc, nfkd
        /// Lower case, character by character.
        case lowercase
        /// Removes white space at the ends.
        case strip(left: Bool, right: Bool)
    }

    /// Leaves every text as it is.
    static let identity = Normalizer(steps: [])

    var steps: [Step]

    /// The text after all steps; `isAtStart` tells whether nothing of the whole text is before it.
    func apply(_ text: [UInt8], isAtStart: Bool) -> [UInt8] {
        var text = text
        for step in steps { Self.apply(step, to: &text, isAtStart: isAtStart) }
        return text
    }

    private static func apply(_ step: Step, to text: inout [UInt8], isAtStart: Bool) {
        switch step {
        case .prepend(let prefix, let rule):
            let isWanted =
                switch rule {
                case .always: true
                case .unlessPresent: !text.starts(with: prefix)
                case .first: isAtStart && !text.starts(with: prefix)
                }
            if isWanted, !text.isEmpty { text.insert(contentsOf: prefix, at: 0) }
        case .replace(let pattern, let replacement):
            replace(pattern, with: replacement, in: &text)
        case .strip(let left, let right): strip(&text, left: left, right: right)
        case .nfc, .nfd, .nfkc, .nfkd, .lowercase: transform(&text, step)
        }
    }

    private static func replace(
        _ pattern: [UInt8], with replacement: [UInt8], in text: inout [UInt8]
    ) {
        guard let first = pattern.first, text.contains(first) else { return }
        var output: [UInt8] = []
        output.reserveCapacity(text.count)
        var index = 0
        while index < text.count {
            if text[index] == first, text[index...].starts(with: pattern) {
                output += replacement
                index += pattern.count
            } else {
                output.append(text[index])
                index += 1
            }
        }
        text = output
    }

    /// Unicode normalisation and case; ASCII text is in every normal form already.
    private static func transform(_ text: inout [UInt8], _ step: Step) {
        if case .lowercase = step {
            var output = String.UnicodeScalarView()
            for scalar in String(decoding: text, as: UTF8.self).unicodeScalars {
                output.append(contentsOf: scalar.properties.lowercaseMapping.unicodeScalars)
            }
            text = Array(String(output).utf8)
            return
        }
        guard text.contains(where: { $0 >= 0x80 }) else { return }
        let string = String(decoding: text, as: UTF8.self)
        text =
            switch step {
            case .nfc: Array(string.precomposedStringWithCanonicalMapping.utf8)
            case .nfd: Array(string.decomposedStringWithCanonicalMapping.utf8)
            case .nfkc: Array(string.precomposedStringWithCompatibilityMapping.utf8)
            case .nfkd: Array(string.decomposedStringWithCompatibilityMapping.utf8)
            default: text
            }
    }

    private static func strip(_ text: inout [UInt8], left: Bool, right: Bool) {
        var (start, end) = (0, text.count)
        if left {
            while let (scalar, next) = UTF8Scalars.scalar(at: start, in: text, to: end),
                scalar.properties.isWhitespace
            {
                start = next
            }
        }
        if right {
            while let (scalar, previous) = UTF8Scalars.scalar(before: end, in: text, from: start),
                scalar.properties.isWhitespace
            {
                end = previous
            }
        }
        text = Array(text[start..<end])
    }
}

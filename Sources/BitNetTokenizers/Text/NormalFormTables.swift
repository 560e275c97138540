import Foundation

/// What the characters of Unicode decompose to, made once from Foundation's data.
struct NormalFormTables: Sendable {
    /// Decompositions of one kind.
    struct Mapping: Sendable {
        /// What an algorithm over a text needs to know of a character.
        struct Trait: OptionSet, Sendable {
            let rawValue: UInt8
            /// Its decomposition is not itself.
            static let changes = Trait(rawValue: 1)
            /// Its decomposition, composed again, is not itself.
            static let changesComposed = Trait(rawValue: 2)
            /// It may be moved before a character that it follows, or compose with it.
            static let joins = Trait(rawValue: 4)
        }

        fileprivate(set) var parts: [UInt32: [UInt32]] = [:]
        /// For the characters below `limit`.
        fileprivate var traits: [Trait] = []

        /// Traits of a character.
        @inline(__always)
        func traits(of value: UInt32) -> Trait {
            if value < NormalFormTables.limit { return traits[Int(value)] }
            return NormalFormTables.ideographs.contains(value) && parts[value] != nil
                ? [.changes, .changesComposed] : []
        }

        /// Calls `body` with the characters that one decomposes to.
        @inline(__always)
        func decompose(_ value: UInt32, _ body: (UInt32) -> Void) {
            if let syllable = Hangul.index(of: value) {
                body(Hangul.leading + syllable / Hangul.perLeading)
                body(Hangul.vowel + syllable % Hangul.perLeading / Hangul.trails)
                let trail = syllable % Hangul.trails
                return trail > 0 ? body(Hangul.trailing + trail) : ()
            }
            guard let parts = parts[value] else { return body(value) }
            for part in parts { body(part) }
        }
    }

    /// The algorithm for Korean syllables (The Unicode Standard, 3.12).
    private enum Hangul {
        static let syllables: UInt32 = 0xAC00
        static let leading: UInt32 = 0x1100
        static let vowel: UInt32 = 0x1161
        /// One before the first: a syllable may have no trailing consonant.
        static let trailing: UInt32 = 0x11A7
        static let (leadings, vowels, trails): (UInt32, UInt32, UInt32) = (19, 21, 28)
        static let perLeading = vowels * trails

        static func index(of value: UInt32) -> UInt32? {
            let index = value &- syllables
            return index < leadings * perLeading ? index : nil
        }

        static func composed(_ first: UInt32, _ second: UInt32) -> UInt32? {
            let (lead, vowel) = (first &- leading, second &- Self.vowel)
            if lead < leadings, vowel < vowels {
                return syllables + (lead * vowels + vowel) * trails
            }
            let trail = second &- trailing
            guard let index = index(of: first), index % trails == 0, trail > 0, trail < trails
            else { return nil }
            return first + trail
        }

        static func joins(_ value: UInt32) -> Bool {
            value &- vowel < vowels || value > trailing && value &- trailing < trails
        }
    }

    /// Beyond it, only `ideographs` decompose, and nothing joins.
    fileprivate static let limit: UInt32 = 0x20000
    fileprivate static let ideographs: ClosedRange<UInt32> = 0x2F800...0x2FA1F

    static let shared = NormalFormTables()

    private(set) var canonical = Mapping()
    private(set) var compatible = Mapping()
    /// The characters that two make, by `first << 32 | second`.
    private var pairs: [UInt64: UInt32] = [:]
    private var classes: [UInt8]

    /// The canonical combining class.
    @inline(__always)
    func combiningClass(_ value: UInt32) -> UInt8 {
        value < Self.limit ? classes[Int(value)] : 0
    }

    /// The character that two make in a composed form.
    @inline(__always)
    func composed(_ first: UInt32, _ second: UInt32) -> UInt32? {
        Hangul.composed(first, second) ?? pairs[UInt64(first) << 32 | UInt64(second)]
    }

    private init() {
        classes = (0..<Self.limit).map { value in
            Unicode.Scalar(value).map { $0.properties.canonicalCombiningClass.rawValue } ?? 0
        }
        let values = Array(0..<Self.limit) + Array(Self.ideographs)
        canonical.parts = Self.mapped(values) { $0.decomposedStringWithCanonicalMapping }
        compatible.parts = Self.mapped(values) { $0.decomposedStringWithCompatibilityMapping }
        let recomposed = Self.mapped(Array(canonical.parts.keys)) {
            $0.precomposedStringWithCanonicalMapping
        }
        findPairs(recomposed)
        let joining = Set(pairs.keys.map { UInt32(truncatingIfNeeded: $0) })
        canonical.traits = traits(canonical.parts, joining) { recomposed[$0] != nil }
        compatible.traits = traits(compatible.parts, joining) { value in
            recomposed[value] != nil || compatible.parts[value] != canonical.parts[value]
        }
    }

    /// The characters that `convert` changes, and what it makes of them.
    private static func mapped(
        _ values: [UInt32], _ convert: (String) -> String
    ) -> [UInt32: [UInt32]] {
        // One call for all: U+0001 parts them, which nothing touches.
        var text = String.UnicodeScalarView()
        let scalars = values.compactMap { $0 > 1 ? Unicode.Scalar($0) : nil }
        for scalar in scalars {
            text.append(scalar)
            text.append("\u{1}")
        }
        var mapped: [UInt32: [UInt32]] = [:]
        let parts = convert(String(text)).unicodeScalars.split(separator: "\u{1}")
        for (scalar, part) in zip(scalars, parts) {
            let values = part.map(\.value)
            guard values != [scalar.value], Hangul.index(of: scalar.value) == nil else { continue }
            mapped[scalar.value] = values
        }
        return mapped
    }

    /// Takes apart the characters that composing makes again: their last part joins the rest.
    private mutating func findPairs(_ recomposed: [UInt32: [UInt32]]) {
        var whole: [[UInt32]: UInt32] = [:]
        let composites = canonical.parts.filter { $0.value.count > 1 && recomposed[$0.key] == nil }
        for (value, parts) in composites { whole[parts] = value }
        for (value, parts) in composites {
            guard let last = parts.last else { continue }
            let rest = Array(parts.dropLast())
            guard let first = rest.count == 1 ? rest[0] : whole[rest] else { continue }
            pairs[UInt64(first) << 32 | UInt64(last)] = value
        }
    }

    private func traits(
        _ parts: [UInt32: [UInt32]], _ joining: Set<UInt32>,
        changesComposed: (UInt32) -> Bool
    ) -> [Mapping.Trait] {
        (0..<Self.limit).map { value in
            var traits: Mapping.Trait = []
            if parts[value] != nil || Hangul.index(of: value) != nil { traits.insert(.changes) }
            if changesComposed(value) { traits.insert(.changesComposed) }
            let first = parts[value]?.first ?? value
            if combiningClass(first) != 0 || joining.contains(first) || Hangul.joins(first) {
                traits.insert(.joins)
            }
            return traits
        }
    }
}

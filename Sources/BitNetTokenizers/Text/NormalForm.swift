/// Unicode's normal forms (UAX #15), in time linear in the text.
///
/// Foundation's conversions put marks into order by insertion, which is quadratic in a run of marks,
/// and lose characters where a long run of marks decomposes. What one character decomposes to is
/// theirs (`NormalFormTables`); order and composition are done here.
enum NormalForm: Sendable, Equatable {
    case nfc, nfd, nfkc, nfkd

    private var isCompatible: Bool { self == .nfkc || self == .nfkd }
    private var composes: Bool { self == .nfc || self == .nfkc }

    /// `text`, valid UTF-8, in this form.
    func apply(_ text: [UInt8], effort: Effort = Effort()) throws(BitNetError) -> [UInt8] {
        // ASCII is in every form.
        guard text.contains(where: { $0 >= 0x80 }) else { return text }
        let tables = NormalFormTables.shared
        let mapping = isCompatible ? tables.compatible : tables.canonical
        let changing: NormalFormTables.Mapping.Trait = composes ? .changesComposed : .changes
        var output: [UInt8] = []
        var segment = Segment(composes: composes, effort)
        // A segment is a character that nothing before it touches, and all up to the next such.
        var (copied, start, index) = (0, 0, 0)
        var isStable = true
        func finish(_ end: Int) throws(BitNetError) {
            output += text[copied..<start]
            try segment.append(text, start..<end, mapping, tables, to: &output)
            (copied, isStable) = (end, true)
        }
        while let (scalar, next) = UTF8Scalars.scalar(at: index, in: text, to: text.count) {
            try effort.spend(1)
            let traits = mapping.traits(of: scalar.value)
            if !traits.contains(.joins) {
                if !isStable { try finish(index) }
                start = index
            }
            if !traits.isDisjoint(with: [.joins, changing]) { isStable = false }
            index = next
        }
        if !isStable { try finish(text.count) }
        output += text[copied...]
        return output
    }
}

/// Scratch for the parts of a text that change.
private struct Segment {
    let composes: Bool
    private let effort: Effort
    private var scalars: [UInt32] = []
    private var classes: [UInt8] = []
    /// Marks by combining class, while they are put into order.
    private var marks: [(scalar: UInt32, class: UInt8)] = []

    init(composes: Bool, _ effort: Effort) {
        self.composes = composes
        self.effort = effort
    }

    /// Appends `text[range]`, decomposed, ordered and composed again.
    mutating func append(
        _ text: [UInt8], _ range: Range<Int>, _ mapping: NormalFormTables.Mapping,
        _ tables: NormalFormTables, to output: inout [UInt8]
    ) throws(BitNetError) {
        scalars.removeAll(keepingCapacity: true)
        classes.removeAll(keepingCapacity: true)
        var index = range.lowerBound
        while let (scalar, next) = UTF8Scalars.scalar(at: index, in: text, to: range.upperBound) {
            mapping.decompose(scalar.value) { part in
                scalars.append(part)
                classes.append(tables.combiningClass(part))
            }
            index = next
            try effort.spend(1)
        }
        try orderMarks()
        if composes { try compose(tables) }
        for value in scalars {
            try effort.spend(1)
            guard let scalar = Unicode.Scalar(value) else { continue }
            output.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
        }
    }

    /// Sorts every run of marks by class, keeping the order within a class.
    private mutating func orderMarks() throws(BitNetError) {
        var index = 0
        while index < scalars.count {
            let start = index
            var isOrdered = true
            while index < scalars.count, classes[index] != 0 {
                if index > start, classes[index] < classes[index - 1] { isOrdered = false }
                index += 1
            }
            if !isOrdered { try order(start..<index) }
            if index < scalars.count, classes[index] == 0 { index += 1 }
        }
    }

    /// A counting sort: classes are bytes.
    private mutating func order(_ run: Range<Int>) throws(BitNetError) {
        try effort.spend(256)
        var places = [Int](repeating: 0, count: 257)
        marks.removeAll(keepingCapacity: true)
        for index in run {
            try effort.spend(1)
            marks.append((scalars[index], classes[index]))
            places[Int(classes[index]) + 1] += 1
        }
        for index in 1..<257 { places[index] += places[index - 1] }
        for mark in marks {
            let place = run.lowerBound + places[Int(mark.class)]
            places[Int(mark.class)] += 1
            (scalars[place], classes[place]) = mark
        }
    }

    /// Composes what a character can take up that no other of its class, or higher, parts from it.
    private mutating func compose(_ tables: NormalFormTables) throws(BitNetError) {
        var count = 0
        var base = -1
        var last: UInt8 = 0
        for index in 0..<scalars.count {
            try effort.spend(1)
            let (scalar, combiningClass) = (scalars[index], classes[index])
            if base >= 0, last == 0 || last < combiningClass,
                let composed = tables.composed(scalars[base], scalar)
            {
                scalars[base] = composed
                continue
            }
            if combiningClass == 0 { base = count }
            last = combiningClass
            scalars[count] = scalar
            count += 1
        }
        scalars.removeLast(scalars.count - count)
    }
}

/// A regular expression as an automaton over the characters of a whole text. The expression may
/// match anywhere in the text, as schemas have it.
struct PatternAutomaton {
    /// The most places that an expression may have, its repetitions written out.
    private static let maximumPlaces = 30_000
    /// The most states of the automaton, and the most places in all of them.
    private static let maximumStates = 12_000
    private static let maximumWork = 4_000_000
    /// The most pairs of a set and a class that are looked at.
    private static let maximumMembers = 1 << 24
    /// The characters of a text.
    static let everything: [ClosedRange<UInt32>] = [0...0xD7FF, 0xE000...0x10FFFF]

    private enum Step {
        /// Reads one character of a set, by its number.
        case read(Int, Int)
        case free(Int)
        case atStart(Int)
        case atEnd(Int)
    }

    private var steps: [[Step]] = []
    private var sets: [[ClosedRange<UInt32>]] = []
    private var setNumbers: [[ClosedRange<UInt32>]: Int] = [:]
    private var tooLarge = false

    /// The characters of each class: those that the sets do not tell apart.
    private var classes: [[ClosedRange<UInt32>]] = []
    /// For each class and set, whether the one is in the other.
    private var members: [[Bool]] = []

    /// The automaton of the texts of `minimum` to `maximum` characters in which `node` matches; nil
    /// where it would be too large.
    static func automaton(
        _ node: PatternNode, minimum: Int, maximum: Int?, _ effort: Effort = Effort()
    ) -> RegularAutomaton? {
        var pattern = PatternAutomaton()
        let prefix = pattern.addPlace()
        let first = pattern.addPlace()
        let last = pattern.addPlace()
        pattern.addRead(everything, from: prefix, to: prefix)
        pattern.add(.free(first), to: prefix)
        pattern.build(node, from: first, to: last)
        guard !pattern.tooLarge else { return nil }
        guard pattern.makeClasses() else { return nil }
        return pattern.counted(
            from: prefix, last: last, minimum: minimum, maximum: maximum, effort)
    }

    // MARK: - Places

    private mutating func addPlace() -> Int {
        tooLarge = tooLarge || steps.count >= Self.maximumPlaces
        steps.append([])
        return steps.count - 1
    }

    private mutating func add(_ step: Step, to place: Int) { steps[place].append(step) }

    private mutating func addRead(_ ranges: [ClosedRange<UInt32>], from: Int, to: Int) {
        let number = setNumbers[ranges] ?? sets.count
        if number == sets.count {
            setNumbers[ranges] = number
            sets.append(ranges)
        }
        add(.read(number, to), to: from)
    }

    private mutating func build(_ node: PatternNode, from: Int, to: Int) {
        guard !tooLarge else { return }
        switch node {
        case .set(let set): addRead(set.sure, from: from, to: to)
        case .start: add(.atStart(to), to: from)
        case .end: add(.atEnd(to), to: from)
        case .choice(let nodes): for node in nodes { build(node, from: from, to: to) }
        case .sequence(let nodes):
            var place = from
            for (index, node) in nodes.enumerated() {
                let next = index == nodes.count - 1 ? to : addPlace()
                build(node, from: place, to: next)
                place = next
            }
            if nodes.isEmpty { add(.free(to), to: from) }
        case .repetition(let node, let minimum, let maximum):
            buildRepetition(node, minimum, maximum, from: from, to: to)
        }
    }

    private mutating func buildRepetition(
        _ node: PatternNode, _ minimum: Int, _ maximum: Int?, from: Int, to: Int
    ) {
        var place = from
        for _ in 0..<minimum where !tooLarge {
            let next = addPlace()
            build(node, from: place, to: next)
            place = next
        }
        guard let maximum else {
            // A place of its own: what comes back to it must not come back to what was before.
            let loop = addPlace()
            let body = addPlace()
            add(.free(loop), to: place)
            add(.free(body), to: loop)
            build(node, from: body, to: loop)
            add(.free(to), to: loop)
            return
        }
        for _ in minimum..<maximum where !tooLarge {
            // From each of them straight to the end, so that few places are free at once.
            add(.free(to), to: place)
            let (body, next) = (addPlace(), addPlace())
            add(.free(body), to: place)
            build(node, from: body, to: next)
            place = next
        }
        add(.free(to), to: place)
    }

    // MARK: - Classes

    /// False where there are too many of them.
    private mutating func makeClasses() -> Bool {
        var borders: Set<UInt32> = []
        for range in sets.joined() + Self.everything {
            borders.insert(range.lowerBound)
            borders.insert(range.upperBound + 1)
        }
        guard borders.count * sets.count <= Self.maximumMembers else { return false }
        let sorted = borders.sorted()
        var numbers: [[Bool]: Int] = [:]
        for (low, next) in zip(sorted, sorted.dropFirst()) {
            guard Self.everything.contains(where: { $0.contains(low) }) else { continue }
            let member = sets.map { Self.contains($0, low) }
            let number = numbers[member] ?? classes.count
            if number == classes.count {
                numbers[member] = number
                classes.append([])
                members.append(member)
            }
            classes[number].append(low...next - 1)
        }
        return true
    }

    private static func contains(_ ranges: [ClosedRange<UInt32>], _ code: UInt32) -> Bool {
        ranges.contains { $0.contains(code) }
    }

    // MARK: - States

    /// Places, and how many characters there were, as far as that matters.
    private struct State: Hashable {
        let places: [Int]
        let length: Int
        let isStart: Bool
    }

    private func counted(
        from start: Int, last: Int, minimum: Int, maximum: Int?, _ effort: Effort
    ) -> RegularAutomaton? {
        var work = 0
        let first = closure([start], last, isStart: true, isEnd: false, &work)
        // The length is counted as far as a bound needs it.
        let counted = maximum ?? minimum
        let next = { (state: State, index: Int) -> State? in
            if let maximum, state.length >= maximum { return nil }
            work += state.places.count + 1
            guard work <= Self.maximumWork else { return nil }
            var targets: Set<Int> = []
            for place in state.places {
                if place == last { targets.insert(last) }
                for case .read(let set, let target) in steps[place] where members[index][set] {
                    targets.insert(target)
                }
            }
            guard !targets.isEmpty else { return nil }
            let places = closure(targets, last, isStart: false, isEnd: false, &work)
            return State(
                places: places, length: min(state.length + 1, counted), isStart: false)
        }
        let automaton = RegularAutomaton(
            classes: classes, start: State(places: first, length: 0, isStart: true),
            limit: Self.maximumStates, effort, next: next
        ) { state in
            guard state.length >= minimum else { return false }
            let places = Set(state.places)
            return closure(places, last, isStart: state.isStart, isEnd: true, &work)
                .contains(last)
        }
        return work <= Self.maximumWork ? automaton : nil
    }

    /// The places that are reached without reading: only the last one where that is among them,
    /// since the text may then go on as it likes. `work` grows by the places on the way.
    private func closure(
        _ places: Set<Int>, _ last: Int, isStart: Bool, isEnd: Bool, _ work: inout Int
    ) -> [Int] {
        var seen = places
        defer { work += seen.count }
        var pending = Array(places)
        while let place = pending.popLast() {
            if place == last { return [last] }
            for step in steps[place] {
                let target: Int
                switch step {
                case .read: continue
                case .free(let next): target = next
                case .atStart(let next):
                    guard isStart else { continue }
                    target = next
                case .atEnd(let next):
                    guard isEnd else { continue }
                    target = next
                }
                if seen.insert(target).inserted { pending.append(target) }
            }
        }
        // Places that nothing is read from, and that are no end, say nothing.
        return seen.sorted().filter { place in
            steps[place].contains { step in
                switch step {
                case .read, .atEnd: true
                case .free, .atStart: false
                }
            }
        }
    }
}

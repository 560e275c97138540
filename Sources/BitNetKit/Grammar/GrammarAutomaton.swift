/// Where in a grammar a text can be after some bytes: all stacks of places that are still to match,
/// the next one last. An empty stack is a text that is complete.
typealias GrammarStacks = [[Int32]]

/// Runs a grammar over bytes. What follows from a set of stacks and a byte is worked out once and
/// kept, so that walking through a vocabulary is mostly looking up.
struct GrammarAutomaton: Sendable {
    /// No text goes on like that.
    static let dead = -1
    /// The most sets of stacks that are kept from one token to the next, and the most places in them.
    static let maximumStates = 8_192
    static let maximumPlaces = 1 << 22
    /// The most stacks in a set. A grammar that needs more is refused where it does: to leave some
    /// out would forbid texts that it allows.
    static let maximumStacks = 4_096
    /// The most places in the stacks that may lead to those of a set.
    private static let maximumVisits = 1 << 21
    /// What the transitions of one token may cost: for each that leads somewhere, the places in the
    /// stacks on the way and at its end, and a constant; for any, a step for every few stacks that are
    /// looked at. Looking up a transition again costs nothing, so that a token is at most this and one
    /// step for each byte in the tree of the vocabulary.
    static let maximumCost = 1 << 22
    private static let transitionCost = 64

    private let program: GrammarProgram
    private var sets: [GrammarStacks] = []
    /// The places in the stacks of all states.
    private var places = 0
    private var numbers: [GrammarStacks: Int] = [:]
    /// 256 for each state: the next state, `dead`, or `unknown`.
    private var transitions: [Int32] = []
    /// For each transition the last token that it was counted for. What was known before a token is
    /// counted as well: otherwise it would depend on other responses whether a token costs too much.
    private var countedFor: [Int32] = []
    /// For each transition what it cost to find out.
    private var costs: [Int32] = []
    private var token: Int32 = 0
    /// What the token has cost so far.
    private(set) var cost = 0
    private static let unknown: Int32 = -2

    init(_ program: GrammarProgram) { self.program = program }

    /// The stacks at the beginning of a text.
    func start() throws(BitNetError) -> GrammarStacks {
        var visits = 0
        return try close(program.alternatives[program.root].map { [Int32($0)] }, &visits)
    }

    /// Counts the cost of transitions from here on for a token of its own.
    mutating func beginToken() {
        if token == .max {
            token = 0
            for index in countedFor.indices { countedFor[index] = 0 }
        }
        token += 1
        cost = 0
    }

    /// The state that is this set of stacks.
    mutating func state(of stacks: GrammarStacks) -> Int {
        if stacks.isEmpty { return Self.dead }
        if let number = numbers[stacks] { return number }
        numbers[stacks] = sets.count
        sets.append(stacks)
        places += stacks.reduce(0) { $0 + $1.count }
        transitions += repeatElement(Self.unknown, count: 256)
        countedFor += repeatElement(0, count: 256)
        costs += repeatElement(0, count: 256)
        return sets.count - 1
    }

    /// The stacks of a state.
    func stacks(of state: Int) -> GrammarStacks { state < 0 ? [] : sets[state] }

    /// Whether a text can end in a state.
    func isAccepting(_ state: Int) -> Bool { state >= 0 && sets[state].first?.isEmpty == true }

    /// Forgets all states if there are too many; true if it did.
    mutating func trim() -> Bool {
        guard sets.count > Self.maximumStates || places > Self.maximumPlaces else { return false }
        sets.removeAll()
        numbers.removeAll()
        places = 0
        transitions.removeAll()
        countedFor.removeAll()
        costs.removeAll()
        return true
    }

    /// The state after `byte`.
    ///
    /// - Throws: `BitNetError.grammar` where there are too many stacks, or the token costs too much.
    mutating func next(_ state: Int, _ byte: UInt8) throws(BitNetError) -> Int {
        guard state >= 0 else { return Self.dead }
        let index = state << 8 | Int(byte)
        if transitions[index] == Self.unknown {
            let moved = moved(sets[state], byte)
            var cost = sets[state].count / 16
            if !moved.isEmpty {
                var visits = 0
                let stacks = try close(moved, &visits)
                transitions[index] = Int32(self.state(of: stacks))
                cost += stacks.reduce(visits + Self.transitionCost) { $0 + $1.count }
            } else {
                transitions[index] = Int32(Self.dead)
            }
            costs[index] = Int32(clamping: cost)
        }
        if countedFor[index] != token { try count(index) }
        return Int(transitions[index])
    }

    private mutating func count(_ index: Int) throws(BitNetError) {
        countedFor[index] = token
        cost += Int(costs[index])
        guard cost <= Self.maximumCost else {
            throw .grammar(
                detail: "which tokens may follow takes more than \(Self.maximumCost) steps to find "
                    + "out; make its alternatives begin differently, or its nesting less deep")
        }
    }

    /// The stacks that take `byte`, after it.
    private func moved(_ stacks: GrammarStacks, _ byte: UInt8) -> GrammarStacks {
        var moved: GrammarStacks = []
        for stack in stacks {
            guard let top = stack.last, case .bytes(let set) = program.symbols[Int(top)],
                set.contains(byte)
            else { continue }
            var stack = stack
            stack[stack.count - 1] += 1
            moved.append(stack)
        }
        return moved
    }

    private static let tooManyStacks = BitNetError.grammar(
        detail: "there are more than \(maximumStacks) ways to go on from one place; use fewer "
            + "alternatives or optional parts there")

    /// What `stacks` come down to: stacks whose next place is a set of bytes, and the empty one if a
    /// text can end; in a fixed order, without repetition.
    ///
    /// `visits` grows by the places in the stacks on the way.
    private func close(
        _ stacks: GrammarStacks, _ visits: inout Int
    ) throws(BitNetError) -> GrammarStacks {
        var pending = stacks
        var seen = Set(stacks)
        var closed: GrammarStacks = []
        while var stack = pending.popLast() {
            while let top = stack.last, program.symbols[Int(top)] == .end { stack.removeLast() }
            guard let top = stack.last, case .rule(let rule) = program.symbols[Int(top)] else {
                closed.append(stack)
                continue
            }
            stack[stack.count - 1] += 1
            // At the end of an alternative nothing is left to come back to.
            if program.symbols[Int(top) + 1] == .end { stack.removeLast() }
            for start in program.alternatives[rule] {
                let next = stack + [Int32(start)]
                guard seen.insert(next).inserted else { continue }
                pending.append(next)
                visits += next.count
            }
            guard visits <= Self.maximumVisits else { throw Self.tooManyStacks }
        }
        let result = Set(closed)
        guard result.count <= Self.maximumStacks else { throw Self.tooManyStacks }
        return result.sorted { $0.lexicographicallyPrecedes($1) }
    }
}

/// Where in a grammar a text can be after some bytes: all stacks of places that are still to match,
/// the next one last. An empty stack is a text that is complete.
typealias GrammarStacks = [[Int32]]

/// Runs a grammar over bytes. What follows from a set of stacks and a byte is worked out once and
/// kept, so that walking through a vocabulary is mostly looking up.
struct GrammarAutomaton: Sendable {
    /// No text goes on like that.
    static let dead = -1
    /// The most sets of stacks that are kept from one token to the next.
    private static let maximumStates = 8_192
    /// The most stacks in a set. Grammars so ambiguous are not written on purpose; of their texts
    /// some are then missed.
    private static let maximumStacks = 4_096

    private let program: GrammarProgram
    private var sets: [GrammarStacks] = []
    private var numbers: [GrammarStacks: Int] = [:]
    /// 256 for each state: the next state, `dead`, or `unknown`.
    private var transitions: [Int32] = []
    private static let unknown: Int32 = -2

    init(_ program: GrammarProgram) { self.program = program }

    /// The stacks at the beginning of a text.
    var start: GrammarStacks {
        close(program.alternatives[program.root].map { [Int32($0)] })
    }

    /// The state that is this set of stacks.
    mutating func state(of stacks: GrammarStacks) -> Int {
        if stacks.isEmpty { return Self.dead }
        if let number = numbers[stacks] { return number }
        numbers[stacks] = sets.count
        sets.append(stacks)
        transitions += repeatElement(Self.unknown, count: 256)
        return sets.count - 1
    }

    /// The stacks of a state.
    func stacks(of state: Int) -> GrammarStacks { state < 0 ? [] : sets[state] }

    /// Whether a text can end in a state.
    func isAccepting(_ state: Int) -> Bool { state >= 0 && sets[state].first?.isEmpty == true }

    /// Forgets all states if there are too many; true if it did.
    mutating func trim() -> Bool {
        guard sets.count > Self.maximumStates else { return false }
        sets.removeAll()
        numbers.removeAll()
        transitions.removeAll()
        return true
    }

    /// The state after `byte`.
    mutating func next(_ state: Int, _ byte: UInt8) -> Int {
        guard state >= 0 else { return Self.dead }
        let index = state << 8 | Int(byte)
        let known = transitions[index]
        if known != Self.unknown { return Int(known) }
        var moved: GrammarStacks = []
        for stack in sets[state] {
            guard let top = stack.last, case .bytes(let set) = program.symbols[Int(top)],
                set.contains(byte)
            else { continue }
            var stack = stack
            stack[stack.count - 1] += 1
            moved.append(stack)
        }
        let next = self.state(of: close(moved))
        transitions[index] = Int32(next)
        return next
    }

    /// What `stacks` come down to: stacks whose next place is a set of bytes, and the empty one if a
    /// text can end; in a fixed order, without repetition.
    private func close(_ stacks: GrammarStacks) -> GrammarStacks {
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
                if seen.count < Self.maximumStacks, seen.insert(next).inserted {
                    pending.append(next)
                }
            }
        }
        return Array(Set(closed)).sorted { $0.lexicographicallyPrecedes($1) }
    }
}

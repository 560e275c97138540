/// A deterministic automaton over classes of code points. Its first state is the start.
struct RegularAutomaton {
    /// No text goes on like that.
    static let dead = -1
    /// The most transitions that are looked at.
    private static let maximumTransitions = 1 << 23

    /// The code points of each class; a code point is in one class at most.
    let classes: [[ClosedRange<UInt32>]]
    /// For each state and class, the next state.
    private(set) var transitions: [Int] = []
    /// For each state, whether a text can end there.
    private(set) var accepting: [Bool] = []

    var count: Int { accepting.count }

    /// Explores what follows from `start`; nil where there are more than `limit` states, or the work
    /// is cancelled.
    init?<State: Hashable>(
        classes: [[ClosedRange<UInt32>]], start: State, limit: Int, _ effort: Effort,
        next: (State, Int) -> State?, isAccepting: (State) -> Bool
    ) {
        self.classes = classes
        var numbers = [start: 0]
        var states = [start]
        var position = 0
        while position < states.count {
            let state = states[position]
            position += 1
            do { try effort.spend(16 * classes.count) } catch { return nil }
            guard transitions.count <= Self.maximumTransitions else { return nil }
            accepting.append(isAccepting(state))
            for index in classes.indices {
                guard let target = next(state, index) else {
                    transitions.append(Self.dead)
                    continue
                }
                let number = numbers[target] ?? states.count
                if number == states.count {
                    guard states.count < limit else { return nil }
                    numbers[target] = number
                    states.append(target)
                }
                transitions.append(number)
            }
        }
        trim()
    }

    func next(_ state: Int, _ index: Int) -> Int { transitions[state * classes.count + index] }

    /// Whether there is no text.
    var isEmpty: Bool { !accepting.contains(true) }

    /// Makes transitions dead that lead to no end.
    private mutating func trim() {
        var sources: [[Int]] = Array(repeating: [], count: count)
        for (index, target) in transitions.enumerated() where target >= 0 {
            sources[target].append(index / classes.count)
        }
        var isAlive = accepting
        var pending = accepting.indices.filter { accepting[$0] }
        while let state = pending.popLast() {
            for source in sources[state] where !isAlive[source] {
                isAlive[source] = true
                pending.append(source)
            }
        }
        for (index, target) in transitions.enumerated() where target >= 0 && !isAlive[target] {
            transitions[index] = Self.dead
        }
    }

    /// Merges states that the same texts follow, in an automaton without cycles whose states were
    /// found in the order of their distance from the start.
    mutating func mergeAcyclic() {
        struct Row: Hashable {
            let targets: ArraySlice<Int>
            let isAccepting: Bool
        }
        var merged = Array(0..<count)
        var known: [Row: Int] = [:]
        // Every transition leads to a state that was found later.
        for state in merged.indices.reversed() {
            let range = state * classes.count..<(state + 1) * classes.count
            for index in range where transitions[index] >= 0 {
                transitions[index] = merged[transitions[index]]
            }
            let row = Row(
                targets: Array(transitions[range])[...], isAccepting: accepting[state])
            merged[state] = known[row] ?? state
            if merged[state] == state { known[row] = state }
        }
    }

    /// The states that a text can come to, the start first.
    var reachable: [Int] {
        var seen: Set<Int> = [0]
        var states = [0]
        var position = 0
        while position < states.count {
            for index in classes.indices {
                let target = next(states[position], index)
                if target >= 0, seen.insert(target).inserted { states.append(target) }
            }
            position += 1
        }
        return states
    }
}

extension JSONSchemaGrammar {
    /// The rule of the texts of an automaton; `characters` is what one of some classes is written
    /// like, `end` what follows a text.
    mutating func rule(
        _ kind: String, _ automaton: RegularAutomaton, end: GrammarNode,
        characters: (inout JSONSchemaGrammar, [Int]) -> GrammarNode
    ) -> GrammarNode {
        let prefix = "\(kind)-\(rules.count)-"
        for state in automaton.reachable {
            var byTarget: [Int: [Int]] = [:]
            for index in automaton.classes.indices {
                let target = automaton.next(state, index)
                if target >= 0 { byTarget[target, default: []].append(index) }
            }
            var choices: [GrammarNode] = automaton.accepting[state] ? [end] : []
            for (target, indices) in byTarget.sorted(by: { $0.key < $1.key }) {
                let character = characters(&self, indices)
                choices.append(.sequence([character, .rule(prefix + "\(target)")]))
            }
            add(prefix + "\(state)", .choice(choices))
        }
        return .rule(prefix + "0")
    }
}

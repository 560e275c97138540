internal import Foundation

/// JSON to and from types, as typed responses have it.
enum TypedJSON {
    static func decode<T: Decodable>(_ type: T.Type, from text: String) throws -> T {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        return try decoder.decode(type, from: Data(text.utf8))
    }

    static func encode(_ value: any Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.dateEncodingStrategy = .iso8601
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }
}

extension Grammar {
    /// One of the shortest texts that the grammar allows; nil where a bounded search finds none.
    var shortestText: String? {
        var automaton = GrammarAutomaton(program)
        guard let start = try? automaton.start() else { return nil }
        let first = automaton.state(of: start)
        // For each state in the order in which they are reached: how.
        var order = [first]
        var before: [Int: (state: Int, byte: UInt8)] = [:]
        var next = 0
        while next < order.count, order.count < GrammarAutomaton.maximumStates {
            let state = order[next]
            next += 1
            if automaton.isAccepting(state) {
                var (bytes, place): ([UInt8], Int) = ([], state)
                while let step = before[place] {
                    bytes.append(step.byte)
                    place = step.state
                }
                return String(decoding: bytes.reversed(), as: UTF8.self)
            }
            automaton.beginToken()
            for byte in UInt8.min ... .max {
                guard let reached = try? automaton.next(state, byte) else { return nil }
                guard reached != GrammarAutomaton.dead, reached != first, before[reached] == nil
                else { continue }
                before[reached] = (state, byte)
                order.append(reached)
            }
        }
        return nil
    }
}

import CLinux
import Glibc

/// Threads of our own. Each has a stack of a size that is said where it is started: the default depends on `ulimit -s`,
/// and is 2 MiB where that is unlimited.
package enum Threads {
    private final class Body {
        let run: () -> Void

        init(_ run: @escaping () -> Void) { self.run = run }
    }

    /// Starts a thread that ends with the process.
    ///
    /// - Parameter name: At most 15 bytes, for whoever looks at the process.
    /// - Returns: Whether there is one.
    package static func run(named name: String, stackBytes: Int, _ body: @escaping () -> Void) -> Bool {
        let (thread, status) = start(stackBytes: stackBytes) {
            carillon_name_thread(name)
            body()
        }
        guard status == 0 else { return false }
        pthread_detach(thread)
        return true
    }

    /// Starts a thread, to be joined or detached.
    ///
    /// - Returns: It and 0, or an undefined thread and what pthread_create(3) returned.
    static func start(stackBytes: Int, _ run: @escaping () -> Void) -> (thread: pthread_t, status: Int32) {
        var thread = pthread_t()
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        let status = pthread_attr_setstacksize(&attributes, stackBytes)
        guard status == 0 else { return (thread, status) }
        let context = Unmanaged.passRetained(Body(run)).toOpaque()
        let created = pthread_create(
            &thread, &attributes,
            { context in
                guard let context else { return nil }
                Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run()
                return nil
            }, context)
        if created != 0 { Unmanaged<Body>.fromOpaque(context).release() }
        return (thread, created)
    }
}

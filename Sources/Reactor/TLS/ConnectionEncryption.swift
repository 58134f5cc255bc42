/// How a connection is encrypted.
package struct ConnectionEncryption: Sendable {
    package let context: TLSContext
    /// The host name or IP address the server's certificate has to be for; the one connected to, before it was looked
    /// up.
    package let serverName: String?

    package init(context: TLSContext, serverName: String?) {
        self.context = context
        self.serverName = serverName
    }
}

// A TLS client of Java: what it reads from stdin it sends, what it receives it prints.
// Client.java PORT CA VERSION SUITE [PKCS12]; the password of that is "password".
import java.io.*;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import javax.net.ssl.*;

class Client {
  public static void main(String[] arguments) throws Exception {
    KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
    trusted.load(null, null);
    try (InputStream file = new FileInputStream(arguments[1])) {
      trusted.setCertificateEntry(
          "ca", CertificateFactory.getInstance("X.509").generateCertificate(file));
    }
    TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
    trust.init(trusted);
    KeyManager[] keys = null;
    if (arguments.length > 4 && !arguments[4].isEmpty()) {
      KeyStore own = KeyStore.getInstance("PKCS12");
      try (InputStream file = new FileInputStream(arguments[4])) {
        own.load(file, "password".toCharArray());
      }
      KeyManagerFactory factory = KeyManagerFactory.getInstance("PKIX");
      factory.init(own, "password".toCharArray());
      keys = factory.getKeyManagers();
    }
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(keys, trust.getTrustManagers(), null);
    SSLSocket socket =
        (SSLSocket) context.getSocketFactory().createSocket(
            "127.0.0.1", Integer.parseInt(arguments[0]));
    socket.setEnabledProtocols(new String[] {arguments[2]});
    socket.setEnabledCipherSuites(new String[] {arguments[3]});
    socket.startHandshake();
    Thread sender = new Thread(() -> {
      try {
        byte[] bytes = new byte[65536];
        for (int n; (n = System.in.read(bytes)) > 0;) socket.getOutputStream().write(bytes, 0, n);
        socket.shutdownOutput();
      } catch (IOException error) {
        System.err.println(error);
        System.exit(1);
      }
    });
    sender.setDaemon(true);
    sender.start();
    byte[] bytes = new byte[65536];
    for (int n; (n = socket.getInputStream().read(bytes)) > 0;) {
      System.out.write(bytes, 0, n);
      System.out.flush();
    }
  }
}

"""What moto's answers lack for services that it otherwise answers alone, a module per service."""

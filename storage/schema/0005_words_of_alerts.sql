-- What three columns of the alerts mean, said more exactly than 0002 does.

${comment alerts.level '1: warning, the host clarifies; 2: critical, call a person'};
${comment alerts.baseline 'The normal share of the room, which it is weighed against'};
${comment alerts.note 'A sentence where the evidence looks coordinated or comes from few accounts'};
